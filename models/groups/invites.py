"""Invites: links into a group, from being made to being used up, and joining by one.

An invite is in force until it expires, is used up or revoked, or its group closes. All that reads
and changes `uses_left` does so while the group stands still (`models.groups.locking`), so no use is
spent twice, nor on a group that is full. Tokens are random and unguessable; one that was never
made is told from one that has ended, but not from nonsense.
"""

import base64
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
import msgspec

from models.channels.members import MemberRole
from models.groups.locking import LockedGroup, Publish, lock_group, lock_own_group, require_seats
from models.groups.membership import bring_in
from models.limits.limits import Limits
from models.media.media import Media, picture_of
from models.messages.notices import NoticeKind, SystemNotice
from models.postgresql.database import Database
from models.postgresql.lanes import fetch_by_id
from models.refusals import RefusalCode, Refused, invalid, not_found

# The channel's id, then 136 random bits: 44 characters of base64url, without padding.
_RANDOM_BYTES = 17
_TOKEN = re.compile("[A-Za-z0-9_-]{44}")


class Invite(msgspec.Struct, frozen=True):
    token: str
    channel_id: str
    created_at: datetime
    created_by_id: str
    expires_at: datetime | None
    uses_left: int | None


class InvitePreview(msgspec.Struct, frozen=True):
    """What a link shows to one who is not in the group."""

    name: str
    member_count: int
    avatar: Media | None


_COLUMNS = (
    "i.token, i.channel_id, i.created_at, i.created_by AS created_by_id, i.expires_at, i.uses_left"
)
_IN_FORCE = """(i.revoked_at IS NULL AND (i.expires_at IS NULL OR i.expires_at > now())
AND (i.uses_left IS NULL OR i.uses_left > 0))"""
# How many are in the group $1.
_MEMBER_COUNT = """(
    SELECT count(*) FROM members n WHERE n.channel_id = $1 AND n.left_seq IS NULL
)"""


def make_token(channel_id: str) -> str:
    content = bytes.fromhex(channel_id) + secrets.token_bytes(_RANDOM_BYTES)
    return base64.urlsafe_b64encode(content).decode()


def parse_token(token: str) -> str | None:
    """Return the id of the channel that a token is for; None if it is not a token."""
    if not _TOKEN.fullmatch(token):
        return None
    return base64.urlsafe_b64decode(token)[:16].hex()


def _get_channel_id(token: str, field: str) -> str:
    channel_id = parse_token(token)
    if channel_id is None:
        raise _no_such_invite(field)
    return channel_id


def _no_such_invite(field: str) -> Refused:
    return not_found("There is no such invite.", field)


def _ended_invite() -> Refused:
    return Refused(
        RefusalCode.INVITE_EXPIRED,
        "The invite has expired, is used up or was revoked.",
        field="inviteToken",
    )


async def create_invite(
    database: Database,
    viewer_id: str,
    channel_id: str,
    *,
    expires_at: datetime | None,
    max_uses: int | None,
    limits: Limits,
    publish: Publish,
) -> Invite:
    """Make an invite into a group that the viewer is an owner or admin of.

    Raises:
        Refused: NOT_FOUND, FORBIDDEN; INVALID_INPUT also when the group has as many as it may have.
    """
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise invalid("An invite expires in the future.", "expiresAt")
    if max_uses is not None and not 1 <= max_uses <= limits.invite_uses:
        raise invalid(f"An invite has 1 to {limits.invite_uses} uses.", "maxUses")
    async with lock_own_group(database, viewer_id, channel_id, publish, MemberRole.ADMIN) as group:
        in_force = await group.connection.fetchval(
            f"SELECT count(*) FROM invites i WHERE i.channel_id = $1 AND {_IN_FORCE}", channel_id
        )
        if in_force >= limits.group_invites:
            raise invalid(
                f"A group has at most {limits.group_invites} invites in force; revoke one first.",
                "groupId",
            )
        invite = Invite(
            make_token(channel_id), channel_id, group.log.now, viewer_id, expires_at, max_uses
        )
        await group.connection.execute(
            "INSERT INTO invites (token, channel_id, created_at, created_by, expires_at, "
            "uses_left) VALUES ($1, $2, $3, $4, $5, $6)",
            *msgspec.structs.astuple(invite),
        )
    return invite


async def revoke_invite(database: Database, viewer_id: str, token: str, *, publish: Publish) -> str:
    """End an invite, if it has not ended; the id of its group.

    Raises:
        Refused: NOT_FOUND for strangers to the group too; FORBIDDEN.
    """
    channel_id = _get_channel_id(token, "token")
    try:
        async with lock_own_group(
            database, viewer_id, channel_id, publish, MemberRole.ADMIN
        ) as group:
            found = await group.connection.fetchval(
                "UPDATE invites SET revoked_at = coalesce(revoked_at, $3) "
                "WHERE channel_id = $1 AND token = $2 RETURNING 1",
                channel_id,
                token,
                group.log.now,
            )
            if not found:
                raise _no_such_invite("token")
    except Refused as refused:
        if refused.code is RefusalCode.NOT_FOUND:
            raise _no_such_invite("token") from None
        raise
    return channel_id


async def list_invites(
    database: Database, viewer_id: str, channel_ids: Sequence[str]
) -> dict[str, list[Invite]]:
    """Return the invites in force, the newest first, by group id, for those of the groups that the
    viewer is an owner or admin of.
    """
    rows = await fetch_by_id(
        database,
        f"""
        SELECT v.channel_id AS group_id, {_COLUMNS} FROM members v
        LEFT JOIN invites i ON i.channel_id = ANY ($1) AND i.channel_id = v.channel_id
            AND {_IN_FORCE}
        WHERE v.channel_id = ANY ($1) AND v.user_id = $2 AND v.left_seq IS NULL AND v.role >= $3
        ORDER BY i.created_at DESC, i.token
        """,
        channel_ids,
        viewer_id,
        MemberRole.ADMIN.value,
    )
    found: dict[str, list[Invite]] = {}
    for row in rows:
        invites = found.setdefault(row["group_id"], [])
        if row["token"] is not None:
            invites.append(_invite_of(row))
    return found


def _invite_of(row: asyncpg.Record) -> Invite:
    return Invite(
        token=row["token"],
        channel_id=row["channel_id"],
        created_at=row["created_at"],
        created_by_id=row["created_by_id"],
        expires_at=row["expires_at"],
        uses_left=row["uses_left"],
    )


async def find_preview(database: Database, token: str) -> InvitePreview | None:
    """Return what the invite leads to; None unless it is in force."""
    channel_id = parse_token(token)
    if channel_id is None:
        return None
    row = await database.fetchrow(
        f"""
        SELECT g.name, g.avatar, {_MEMBER_COUNT} AS member_count
        FROM invites i JOIN groups g ON g.channel_id = $1 AND g.closed_at IS NULL
        WHERE i.channel_id = $1 AND i.token = $2 AND {_IN_FORCE}
        """,
        channel_id,
        token,
    )
    if row is None:
        return None
    return InvitePreview(row["name"], row["member_count"], picture_of(row["avatar"]))


async def join_group(
    database: Database, viewer_id: str, token: str, *, limits: Limits, publish: Publish
) -> str:
    """Use an invite once; who is in the group already uses none. The id of the group.

    Raises:
        Refused: NOT_FOUND, INVITE_EXPIRED, GROUP_FULL.
    """
    channel_id = _get_channel_id(token, "inviteToken")
    if await _is_in(database, viewer_id, channel_id, token, limits):
        return channel_id
    async with lock_group(database, channel_id, publish) as group:
        if viewer_id in group.seats:
            return channel_id
        await _use(group, token, limits)
        await group.log.append_notice(SystemNotice(NoticeKind.MEMBER_JOINED, viewer_id))
        await bring_in(group.log, [viewer_id], MemberRole.MEMBER)
    return channel_id


async def _is_in(
    database: Database, viewer_id: str, channel_id: str, token: str, limits: Limits
) -> bool:
    """Return True if the viewer is in the group already. It locks nothing: whoever the invite does
    not let in neither waits for the group nor holds it.

    Raises:
        Refused: as `join_group`.
    """
    row = await database.fetchrow(
        f"""
        SELECT {_IN_FORCE} AS in_force, {_MEMBER_COUNT} AS member_count,
            EXISTS (
                SELECT FROM members v
                WHERE v.channel_id = $1 AND v.user_id = $3 AND v.left_seq IS NULL
            ) AS is_in
        FROM invites i WHERE i.channel_id = $1 AND i.token = $2
        """,
        channel_id,
        token,
        viewer_id,
    )
    if row is None:
        raise _no_such_invite("inviteToken")
    if not row["is_in"]:
        if not row["in_force"]:
            raise _ended_invite()
        require_seats(row["member_count"] + 1, limits)
    return bool(row["is_in"])


async def _use(group: LockedGroup, token: str, limits: Limits) -> None:
    used = await group.connection.fetchval(
        f"UPDATE invites AS i SET uses_left = i.uses_left - 1 "
        f"WHERE i.channel_id = $1 AND i.token = $2 AND {_IN_FORCE} RETURNING 1",
        group.log.channel_id,
        token,
    )
    if not used:
        raise _ended_invite()
    # After the use, which this takes back: an invite that has ended says so, full or not.
    require_seats(len(group.seats) + 1, limits)
