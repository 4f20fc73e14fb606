"""Messages: what a member said, as rows of a channel's log.

A message is identified by its channel and seq. Whoever lists messages hydrates `sender`,
`reply_to` and `media` in bulk (models/messages/hydration.py). The fields about receipts, from
`status` to `seen_at`, are None for everybody but the sender.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum

import asyncpg
import msgspec

from models.database import Database
from models.media.media import Media, MediaState
from models.messages.fates import MessageStatus
from models.messages.notices import SystemNotice
from models.unloaded import UNLOADED, Unloaded
from models.users.users import User

# A message's channel and seq.
Place = tuple[str, int]


class MessageKind(IntEnum):
    TEXT = 1
    IMAGE = 2
    VIDEO = 3
    AUDIO = 4
    FILE = 5
    LOCATION = 6
    SYSTEM = 7


class Location(msgspec.Struct, frozen=True, omit_defaults=True):
    latitude: float
    longitude: float
    label: str | None = None


class Details(msgspec.Struct, frozen=True, omit_defaults=True):
    """What few messages have, stored as JSON in `messages.details`."""

    location: Location | None = None
    mentions: list[str] = []
    system: SystemNotice | None = None
    # Media ids, in the order given; and the state of each that an entry of the log told last.
    media: list[str] = []
    told: dict[str, MediaState] = {}


class Reaction(msgspec.Struct, frozen=True):
    """One emoji on a message, and the ids of those who gave it, in the order of reacting."""

    emoji: str
    user_ids: list[str]

    @property
    def count(self) -> int:
        return len(self.user_ids)


class Message(msgspec.Struct):
    """A message as a row of the log, and what was hydrated for whoever reads it."""

    channel_id: str
    seq: int
    kind: MessageKind
    sender_id: str | None
    client_message_id: str | None
    text: str | None
    reply_to_seq: int | None
    sent_at: datetime
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    location: Location | None = None
    mention_ids: list[str] = []
    system: SystemNotice | None = None
    media_ids: list[str] = []
    # (user id, emoji) in the order of reacting; one a member.
    reacted: list[tuple[str, str]] = []
    sender: User | None | Unloaded = UNLOADED
    reply_to: "Message | None | Unloaded" = UNLOADED
    media: list[Media] | Unloaded = UNLOADED
    # For the sender only.
    status: MessageStatus | None | Unloaded = None
    delivered_count: int | None | Unloaded = None
    read_count: int | None | Unloaded = None
    delivered_at: datetime | None | Unloaded = None
    seen_at: datetime | None | Unloaded = None


def reactions_of(message: Message) -> list[Reaction]:
    """Return the reactions by emoji, the one that was given first being the first; none on a
    deleted message.
    """
    by_emoji: dict[str, list[str]] = {}
    if message.deleted_at is None:
        for user_id, emoji in message.reacted:
            by_emoji.setdefault(emoji, []).append(user_id)
    return [Reaction(emoji, user_ids) for emoji, user_ids in by_emoji.items()]


COLUMNS = """m.channel_id, m.seq, m.kind, m.sender_id, m.client_message_id, m.text,
m.reply_to_seq, m.sent_at, m.edited_at, m.deleted_at, m.details, m.reactions"""

# By number: calling an enum costs ten times as much as a look-up.
_KINDS = {kind.value: kind for kind in MessageKind}
decode_details = msgspec.json.Decoder(Details).decode
_decode_reactions = msgspec.json.Decoder(list[tuple[str, str]]).decode
encode_details = msgspec.json.Encoder().encode


def message_of(row: asyncpg.Record) -> Message:
    """Read a row of `COLUMNS` as a message.

    Columns are read by name, which costs 0.2 µs a message more than by index.
    """
    message = Message(
        row["channel_id"],
        row["seq"],
        _KINDS[row["kind"]],
        row["sender_id"],
        row["client_message_id"],
        row["text"],
        row["reply_to_seq"],
        row["sent_at"],
        row["edited_at"],
        row["deleted_at"],
    )
    details, reactions = row["details"], row["reactions"]
    if details is not None:
        decoded = decode_details(details)
        message.location = decoded.location
        message.mention_ids = decoded.mentions
        message.system = decoded.system
        message.media_ids = decoded.media
    if reactions is not None:
        message.reacted = _decode_reactions(reactions)
    if message.reply_to_seq is None:
        message.reply_to = None
    if message.sender_id is None:
        message.sender = None
    if not message.media_ids:
        message.media = []
    return message


def show_to(message: Message, viewer_id: str) -> Message:
    """Let the sender of a message ask how it fared; nobody else is told. Returns the message."""
    if message.sender_id == viewer_id:
        leave_fate_unread(message)
    return message


def leave_fate_unread(message: Message) -> None:
    """Have the fields from `status` to `seen_at` read when they are asked for."""
    message.status = message.delivered_count = message.read_count = UNLOADED
    message.delivered_at = message.seen_at = UNLOADED


def for_sender(message: Message) -> Message:
    """Return a copy of a message that was just stored, as its sender sees it: nobody can have
    received it yet.
    """
    own = msgspec.structs.replace(message)
    own.status = MessageStatus.SENT
    own.delivered_count = own.read_count = 0
    return own


async def page_messages(
    database: Database,
    viewer_id: str,
    channel_id: str,
    *,
    after_seq: int | None,
    before_seq: int | None,
    first: int | None,
    last: int | None,
) -> tuple[list[Message], bool]:
    """Return messages between two seqs (both exclusive), oldest first: the `first` oldest or the
    `last` newest of them; and whether there are more on the far side.

    Only what came with the viewer's membership, which is checked in the same statement.
    """
    count = first if first is not None else last
    assert count is not None
    rows = await database.fetch(
        f"""
        SELECT {COLUMNS} FROM messages m
        WHERE m.channel_id = $1 AND m.seq > $3 AND m.seq < $4 AND m.seq >= (
            SELECT v.joined_seq FROM members v
            WHERE v.channel_id = $1 AND v.user_id = $2 AND v.left_seq IS NULL
        )
        ORDER BY m.seq {"ASC" if first is not None else "DESC"} LIMIT $5
        """,
        channel_id,
        viewer_id,
        after_seq if after_seq is not None else 0,
        before_seq if before_seq is not None else 2**31 - 1,
        count + 1,
    )
    messages = [message_of(row) for row in rows[:count]]
    if first is None:
        messages.reverse()
    return messages, len(rows) > count


# The messages at given places: $1 channels and $2 seqs (parallel), $3 the channels, each once. A
# probe of the primary key for each, whatever the statistics say; models.log.entries says why in
# this form.
_AT_PLACES = f"""
SELECT {COLUMNS}
FROM unnest($1::uuid[], $2::integer[]) AS p (channel_id, seq)
CROSS JOIN LATERAL (
    SELECT * FROM messages n
    WHERE n.channel_id = ANY ($3) AND n.channel_id = p.channel_id AND n.seq >= p.seq
    ORDER BY n.seq LIMIT 1
) m
"""


async def list_messages_at(database: Database, places: Sequence[Place]) -> dict[Place, Message]:
    """Return the messages at these places.

    It checks no membership: the caller knows who may see them, or hides them.
    """
    rows = await database.fetch(_AT_PLACES + "WHERE m.seq = p.seq", *_parallel(places))
    return {(row["channel_id"], row["seq"]): message_of(row) for row in rows}


def _parallel(places: Sequence[Place]) -> tuple[list[str], list[int], list[str]]:
    """Return the first three arguments of `_AT_PLACES`."""
    channel_ids = [channel_id for channel_id, _ in places]
    return channel_ids, [seq for _, seq in places], sorted(set(channel_ids))


async def list_messages(
    database: Database, viewer_id: str, places: Sequence[Place]
) -> dict[Place, Message]:
    """Return those of the messages at these places that the viewer may see."""
    if not places:
        return {}
    rows = await database.fetch(
        _AT_PLACES
        + """
        JOIN members v ON v.channel_id = ANY ($3) AND v.channel_id = p.channel_id AND v.user_id = $4
            AND v.left_seq IS NULL AND v.joined_seq <= m.seq
        WHERE m.seq = p.seq
        """,
        *_parallel(places),
        viewer_id,
    )
    return {(row["channel_id"], row["seq"]): message_of(row) for row in rows}


async def find_message(
    database: Database, viewer_id: str, channel_id: str, seq: int
) -> Message | None:
    """Return the message, or None when there is none that the viewer may see."""
    return (await list_messages(database, viewer_id, [(channel_id, seq)])).get((channel_id, seq))


async def get_own_message(database: Database, sender_id: str, channel_id: str, seq: int) -> Message:
    """Return a stored message to its sender, who may have left the channel."""
    row = await database.fetchrow(
        f"""
        SELECT {COLUMNS} FROM messages m
        WHERE m.channel_id = $1 AND m.seq = $2 AND m.sender_id = $3
        """,
        channel_id,
        seq,
        sender_id,
    )
    assert row is not None
    return message_of(row)


async def is_sent(
    database: Database, sender_id: str, channel_id: str, client_message_id: str
) -> bool:
    """Return True if the sender's message with this client's id is stored."""
    sent: bool = await database.fetchval(
        "SELECT EXISTS (SELECT FROM messages WHERE channel_id = $1 AND sender_id = $2 "
        "AND client_message_id = $3)",
        channel_id,
        sender_id,
        client_message_id,
    )
    return sent


async def list_last_messages(
    database: Database, viewer_id: str, channel_ids: Sequence[str]
) -> dict[str, Message]:
    """Return the newest message that the viewer may see, by channel id."""
    rows = await database.fetch(
        f"""
        SELECT {COLUMNS}
        FROM members v
        CROSS JOIN LATERAL (
            SELECT * FROM messages n
            WHERE n.channel_id = ANY ($1) AND n.channel_id = v.channel_id AND n.seq >= v.joined_seq
            ORDER BY n.seq DESC LIMIT 1
        ) m
        WHERE v.channel_id = ANY ($1) AND v.user_id = $2 AND v.left_seq IS NULL
        """,
        list(channel_ids),
        viewer_id,
    )
    return {row["channel_id"]: message_of(row) for row in rows}
