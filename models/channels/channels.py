"""Channels as the viewer sees them: their membership, the newest message, what is unread; and
opening a chat.

Everything here takes the viewer's user id and answers only for channels that they are in: who is
not in one cannot tell it from one that does not exist.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import IntEnum

import asyncpg
import msgspec

from models import ids
from models.channels.chats import make_chat
from models.database import Database
from models.media.media import Media, picture_of
from models.refusals import not_found
from models.users.users import User, find_user


class ChannelKind(IntEnum):
    CHAT = 1
    GROUP = 2


class MemberRole(IntEnum):
    MEMBER = 1
    ADMIN = 2
    OWNER = 3


class MemberPosition(msgspec.Struct, frozen=True):
    """How far a member has got in the channel's log."""

    user_id: str
    delivered_seq: int
    read_seq: int


class _ViewersChannel(msgspec.Struct, frozen=True):
    """What a viewer sees of any channel that they are in."""

    id: str
    created_at: datetime
    last_seq: int
    last_at: datetime | None
    viewer_id: str
    joined_seq: int
    delivered_seq: int
    read_seq: int
    muted_until: datetime | None

    @property
    def position(self) -> MemberPosition:
        return MemberPosition(self.viewer_id, self.delivered_seq, self.read_seq)


class Chat(_ViewersChannel, frozen=True):
    """A chat as one of its two people sees it; in a chat with oneself the peer is the viewer."""

    peer_id: str
    peer_delivered_seq: int
    peer_read_seq: int

    @property
    def kind(self) -> ChannelKind:
        return ChannelKind.CHAT


class Group(_ViewersChannel, frozen=True):
    """A group as one of its members sees it."""

    name: str
    description: str | None
    avatar: Media | None
    member_count: int
    viewer_role: MemberRole

    @property
    def kind(self) -> ChannelKind:
        return ChannelKind.GROUP


class GroupFacts(msgspec.Struct, frozen=True):
    """What all members see alike of a group; read without a viewer, so that it can be shared."""

    id: str
    created_at: datetime
    last_seq: int
    name: str
    description: str | None
    member_count: int
    avatar: Media | None = None

    @property
    def kind(self) -> ChannelKind:
        return ChannelKind.GROUP


Channel = Chat | Group

# Others' positions are as they are shown; in a chat, nobody's reading is where one of the two hides
# theirs (a group's members never have the mark).
_CHANNELS = """
SELECT c.kind, c.id, c.created_at, c.last_seq, c.last_at,
       v.user_id, v.joined_seq, v.delivered_seq, v.read_seq, v.muted_until,
       coalesce(o.user_id, v.user_id),
       coalesce(o.shown_delivered_seq, v.delivered_seq),
       CASE WHEN o.hides_receipts OR v.hides_receipts THEN 0
            ELSE coalesce(o.shown_read_seq, v.read_seq) END,
       g.name, g.description, g.avatar,
       CASE WHEN c.kind = 2 THEN (
           SELECT count(*) FROM members n
           WHERE n.channel_id = ANY ($1) AND n.channel_id = c.id AND n.left_seq IS NULL
       ) END,
       v.role
FROM channels c
JOIN members v ON v.channel_id = ANY ($1) AND v.channel_id = c.id AND v.user_id = $2
    AND v.left_seq IS NULL
LEFT JOIN members o ON c.kind = 1 AND o.channel_id = ANY ($1) AND o.channel_id = c.id
    AND o.user_id <> $2
LEFT JOIN groups g ON g.channel_id = ANY ($1) AND g.channel_id = c.id
WHERE c.id = ANY ($1)
"""


def _channel_of(row: asyncpg.Record) -> Channel:
    if row[0] == ChannelKind.CHAT:
        return Chat(*row[1:13])
    avatar = picture_of(row[15])
    return Group(*row[1:10], *row[13:15], avatar, row[16], MemberRole(row[17]))  # type: ignore[call-arg]


async def list_channels(
    database: Database, viewer_id: str, channel_ids: Sequence[str]
) -> dict[str, Channel]:
    """Those of the channels that the viewer is in, by id."""
    if not channel_ids:
        return {}
    rows = await database.fetch(_CHANNELS, list(channel_ids), viewer_id)
    return {row[1]: _channel_of(row) for row in rows}


async def list_group_facts(database: Database, channel_ids: Sequence[str]) -> dict[str, GroupFacts]:
    """What all members see alike, by channel. Checks no membership: the caller knows it."""
    rows = await database.fetch(
        """
        SELECT c.id, c.created_at, c.last_seq, g.name, g.description, (
            SELECT count(*) FROM members n
            WHERE n.channel_id = ANY ($1) AND n.channel_id = c.id AND n.left_seq IS NULL
        ), g.avatar
        FROM channels c JOIN groups g ON g.channel_id = ANY ($1) AND g.channel_id = c.id
        WHERE c.id = ANY ($1)
        """,
        list(channel_ids),
    )
    return {row[0]: _facts_of(row) for row in rows}


def _facts_of(row: asyncpg.Record) -> GroupFacts:
    return GroupFacts(row[0], row[1], row[2], row[3], row[4], row[5], picture_of(row[6]))


async def find_channel(database: Database, viewer_id: str, channel_id: str) -> Channel | None:
    return (await list_channels(database, viewer_id, [channel_id])).get(channel_id)


class ChannelCursor(msgspec.Struct, frozen=True):
    """A place in a viewer's list of channels: the newest message's time, then the id."""

    last_at: datetime
    channel_id: str


async def page_channels(
    database: Database,
    viewer_id: str,
    *,
    first: int,
    after: ChannelCursor | None,
    kind: ChannelKind | None,
) -> tuple[list[Channel], bool]:
    """A page of the viewer's channels that have at least one entry, newest message first; and
    whether more follow.
    """
    mine = await database.fetch(
        "SELECT channel_id FROM user_channels WHERE user_id = $1 AND left_seq IS NULL", viewer_id
    )
    heads = await database.fetch(
        """
        SELECT c.id FROM channels c
        WHERE c.id = ANY ($1) AND c.last_seq > 0 AND ($2::smallint IS NULL OR c.kind = $2)
          AND ($3::timestamptz IS NULL OR (coalesce(c.last_at, c.created_at), c.id) < ($3, $4))
        ORDER BY coalesce(c.last_at, c.created_at) DESC, c.id DESC LIMIT $5
        """,
        [row[0] for row in mine],
        None if kind is None else kind.value,
        after.last_at if after else None,
        after.channel_id if after else "0" * 32,
        first + 1,
    )
    channels = await list_channels(database, viewer_id, [row[0] for row in heads[:first]])
    return [channels[row[0]] for row in heads[:first] if row[0] in channels], len(heads) > first


async def count_unread(
    database: Database, viewer_id: str, channel_ids: Sequence[str], *, most: int
) -> dict[str, int]:
    """Messages by others after the viewer's read position, without SYSTEM and deleted ones; counted
    up to `most`.
    """
    rows = await database.fetch(
        """
        SELECT v.channel_id, (
            SELECT count(*) FROM (
                SELECT FROM messages m
                WHERE m.channel_id = ANY ($1) AND m.channel_id = v.channel_id
                  AND m.seq > greatest(v.read_seq, v.joined_seq - 1)
                  AND m.sender_id <> $2 AND m.deleted_at IS NULL
                LIMIT $3
            ) x
        )
        FROM members v WHERE v.channel_id = ANY ($1) AND v.user_id = $2 AND v.left_seq IS NULL
        """,
        list(channel_ids),
        viewer_id,
        most,
    )
    return {row[0]: row[1] for row in rows}


class ViewerState(msgspec.Struct, frozen=True):
    """What only the viewer sees of a channel, in one snapshot: what `ViewerChannelUpdated` says."""

    channel_id: str
    user_id: str
    delivered_seq: int
    read_seq: int
    unread_count: int
    last_seq: int
    muted_until: datetime | None


async def list_viewer_states(
    database: Database, viewer_id: str, channel_ids: Sequence[str], *, unread_most: int
) -> list[ViewerState]:
    """Of those of the channels that the viewer is in."""
    rows = await database.fetch(
        """
        SELECT v.channel_id, v.user_id, v.delivered_seq, v.read_seq, (
            SELECT count(*) FROM (
                SELECT FROM messages m
                WHERE m.channel_id = ANY ($1) AND m.channel_id = v.channel_id
                  AND m.seq > greatest(v.read_seq, v.joined_seq - 1)
                  AND m.sender_id <> $2 AND m.deleted_at IS NULL
                LIMIT $3
            ) x
        ), c.last_seq, v.muted_until
        FROM members v JOIN channels c ON c.id = ANY ($1) AND c.id = v.channel_id
        WHERE v.channel_id = ANY ($1) AND v.user_id = $2 AND v.left_seq IS NULL
        """,
        list(channel_ids),
        viewer_id,
        unread_most,
    )
    return [ViewerState(*row) for row in rows]


class Member(msgspec.Struct, frozen=True):
    channel_id: str
    user_id: str
    role: MemberRole
    joined_at: datetime
    joined_seq: int
    delivered_seq: int
    read_seq: int

    @property
    def position(self) -> MemberPosition:
        return MemberPosition(self.user_id, self.delivered_seq, self.read_seq)


_MEMBERS = """
SELECT m.channel_id, m.user_id, m.role, m.joined_at, m.joined_seq,
       CASE WHEN m.user_id = $2 THEN m.delivered_seq ELSE m.shown_delivered_seq END,
       CASE WHEN m.user_id = $2 THEN m.read_seq
            WHEN EXISTS (SELECT FROM members h WHERE h.channel_id = $1 AND h.hides_receipts) THEN 0
            ELSE m.shown_read_seq END
FROM members m
WHERE m.channel_id = $1 AND m.left_seq IS NULL AND EXISTS (
    SELECT FROM members v WHERE v.channel_id = $1 AND v.user_id = $2 AND v.left_seq IS NULL
)
"""


def _member(row: asyncpg.Record) -> Member:
    return Member(row[0], row[1], MemberRole(row[2]), *row[3:])


async def page_members(
    database: Database, viewer_id: str, channel_id: str, *, first: int, after_user_id: str | None
) -> tuple[list[Member], bool]:
    """The channel's members in the order of their ids; none when the viewer is not one of them."""
    rows = await database.fetch(
        _MEMBERS + " AND ($3::uuid IS NULL OR m.user_id > $3) ORDER BY m.user_id LIMIT $4",
        channel_id,
        viewer_id,
        after_user_id,
        first + 1,
    )
    return [_member(row) for row in rows[:first]], len(rows) > first


async def find_member(
    database: Database, viewer_id: str, channel_id: str, user_id: str
) -> Member | None:
    row = await database.fetchrow(_MEMBERS + " AND m.user_id = $3", channel_id, viewer_id, user_id)
    return _member(row) if row else None


async def open_chat(database: Database, viewer_id: str, peer_id: str) -> tuple[Chat, bool]:
    """The chat of the two; and whether this call made it.

    Raises:
        Refused: NOT_FOUND when there is no such user.
    """
    channel_id = ids.chat_id(viewer_id, peer_id)
    chat = await find_channel(database, viewer_id, channel_id)
    if isinstance(chat, Chat):
        return chat, False
    if await find_user(database, peer_id) is None:
        raise not_found("There is no such user.", "userId")
    created = await make_chat(database, viewer_id, peer_id, now=datetime.now(UTC))
    chat = await find_channel(database, viewer_id, channel_id)
    assert isinstance(chat, Chat)
    return chat, created


__all__ = ["Channel", "ChannelKind", "Chat", "Member", "MemberPosition", "MemberRole", "User"]
