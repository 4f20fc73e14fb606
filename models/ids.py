"""Ids: 32 hex characters inside, a typed global id outside; a chat's id follows from its two
people, and a group's from its creator and the id they gave it, if they gave one.

Global ids are canonical: one id has one spelling, so that whatever parses is what would be printed.
"""

import hashlib
import re
import uuid

# Postgres' int4 and GraphQL's Int end here, so no seq is larger.
MAX_SEQ = 2**31 - 1

_HEX = r"[0-9a-f]{32}"
_PLAIN = re.compile(rf"(usr|chn|dev|med)_({_HEX})")
_MESSAGE = re.compile(rf"msg_({_HEX})_([1-9][0-9]{{0,9}})")
_MEMBER = re.compile(rf"mbr_({_HEX})_({_HEX})")


def new_id() -> str:
    """Make a random id (UUID version 4), which tells nothing about its row."""
    return uuid.uuid4().hex


def chat_id(one: str, other: str) -> str:
    """Return the id of the chat of two users, or of one with themselves. It follows from theirs, so
    that two openings of it cannot make two chats.
    """
    low, high = sorted((one, other))
    return _hashed_id(b"parley chat " + bytes.fromhex(low + high))


def group_id(creator_id: str, client_group_id: str) -> str:
    """Return the id of the group that its creator named by an id of their own, so that a repeated
    creation cannot make two groups.
    """
    return _hashed_id(b"parley group " + bytes.fromhex(creator_id) + client_group_id.encode())


def _hashed_id(content: bytes) -> str:
    """Return the SHA-256 of the content as a UUID of version 8 (RFC 9562, section 5.8)."""
    digest = bytearray(hashlib.sha256(content).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return digest.hex()


def user_global_id(user_id: str) -> str:
    return "usr_" + user_id


def channel_global_id(channel_id: str) -> str:
    return "chn_" + channel_id


def device_global_id(device_id: str) -> str:
    return "dev_" + device_id


def media_global_id(media_id: str) -> str:
    return "med_" + media_id


def report_global_id(report_id: str) -> str:
    return "rep_" + report_id


def message_global_id(channel_id: str, seq: int) -> str:
    return f"msg_{channel_id}_{seq}"


def member_global_id(channel_id: str, user_id: str) -> str:
    return f"mbr_{channel_id}_{user_id}"


def parse_plain(prefix: str, global_id: str) -> str | None:
    """Return the inner id of a `usr_`, `chn_`, `dev_` or `med_` id; None for anything else."""
    found = _PLAIN.fullmatch(global_id)
    return found[2] if found and found[1] == prefix else None


def parse_message(global_id: str) -> tuple[str, int] | None:
    """Return (channel id, seq) of a `msg_` id; None for anything else."""
    found = _MESSAGE.fullmatch(global_id)
    if not found or int(found[2]) > MAX_SEQ:
        return None
    return found[1], int(found[2])


def parse_member(global_id: str) -> tuple[str, str] | None:
    """Return (channel id, user id) of an `mbr_` id; None for anything else."""
    found = _MEMBER.fullmatch(global_id)
    return (found[1], found[2]) if found else None
