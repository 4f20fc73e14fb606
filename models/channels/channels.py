"""Channels as the viewer sees them: chats and groups, one by id or a page of the viewer's list.

Functions that take the viewer's user id answer only for channels that the viewer is in. A viewer
cannot tell a channel that they are not in from one that does not exist.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from models.channel_kinds import ChannelKind
from models.channels.members import MemberPosition, MemberRole
from models.media.media import Media, picture_of
from models.postgresql.database import Database
from models.postgresql.lanes import fetch_by_id


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


class ChatReference(msgspec.Struct, frozen=True):
    """What is known of a chat without reading it."""

    id: str

    @property
    def kind(self) -> ChannelKind:
        return ChannelKind.CHAT


class GroupReference(msgspec.Struct, frozen=True):
    """What is known of a group without reading it."""

    id: str

    @property
    def kind(self) -> ChannelKind:
        return ChannelKind.GROUP


Channel = Chat | Group
Reference = ChatReference | GroupReference


def reference(channel_id: str, kind: ChannelKind) -> Reference:
    """Return the channel as one that was not read."""
    return ChatReference(channel_id) if kind is ChannelKind.CHAT else GroupReference(channel_id)


# How many are in the channel `c`.
_MEMBER_COUNT = """(
    SELECT count(*) FROM members n
    WHERE n.channel_id = ANY ($1) AND n.channel_id = c.id AND n.left_seq IS NULL
)"""

# $1 channels, $2 the viewer. Others' positions are as they are shown. In a chat nobody's read
# position is shown where one of the two hides theirs (a group's members never have that mark).
_CHANNELS = f"""
SELECT c.kind, c.id, c.created_at, c.last_seq, c.last_at,
       v.user_id AS viewer_id, v.joined_seq, v.delivered_seq, v.read_seq, v.muted_until,
       v.role AS viewer_role,
       coalesce(o.user_id, v.user_id) AS peer_id,
       coalesce(o.shown_delivered_seq, v.delivered_seq) AS peer_delivered_seq,
       CASE WHEN o.hides_receipts OR v.hides_receipts THEN 0
            ELSE coalesce(o.shown_read_seq, v.read_seq) END AS peer_read_seq,
       g.name, g.description, g.avatar,
       CASE WHEN c.kind = {ChannelKind.GROUP:d} THEN {_MEMBER_COUNT} END AS member_count
FROM channels c
JOIN members v ON v.channel_id = ANY ($1) AND v.channel_id = c.id AND v.user_id = $2
    AND v.left_seq IS NULL
LEFT JOIN members o ON c.kind = {ChannelKind.CHAT:d} AND o.channel_id = ANY ($1)
    AND o.channel_id = c.id AND o.user_id <> $2
LEFT JOIN groups g ON g.channel_id = ANY ($1) AND g.channel_id = c.id
WHERE c.id = ANY ($1)
"""

# The same for many viewers, $2.
_CHANNELS_OF_MANY = _CHANNELS.replace("v.user_id = $2", "v.user_id = ANY ($2)").replace(
    "o.user_id <> $2", "o.user_id <> v.user_id"
)

_FACTS = f"""
SELECT c.id, c.created_at, c.last_seq, g.name, g.description, g.avatar,
       {_MEMBER_COUNT} AS member_count
FROM channels c JOIN groups g ON g.channel_id = ANY ($1) AND g.channel_id = c.id
WHERE c.id = ANY ($1)
"""


def _channel_of(row: asyncpg.Record) -> Channel:
    return _chat_of(row) if row["kind"] == ChannelKind.CHAT else _group_of(row)


def _chat_of(row: asyncpg.Record) -> Chat:
    return Chat(
        id=row["id"],
        created_at=row["created_at"],
        last_seq=row["last_seq"],
        last_at=row["last_at"],
        viewer_id=row["viewer_id"],
        joined_seq=row["joined_seq"],
        delivered_seq=row["delivered_seq"],
        read_seq=row["read_seq"],
        muted_until=row["muted_until"],
        peer_id=row["peer_id"],
        peer_delivered_seq=row["peer_delivered_seq"],
        peer_read_seq=row["peer_read_seq"],
    )


def _group_of(row: asyncpg.Record) -> Group:
    return Group(
        id=row["id"],
        created_at=row["created_at"],
        last_seq=row["last_seq"],
        last_at=row["last_at"],
        viewer_id=row["viewer_id"],
        joined_seq=row["joined_seq"],
        delivered_seq=row["delivered_seq"],
        read_seq=row["read_seq"],
        muted_until=row["muted_until"],
        name=row["name"],
        description=row["description"],
        avatar=picture_of(row["avatar"]),
        member_count=row["member_count"],
        viewer_role=MemberRole(row["viewer_role"]),
    )


def _facts_of(row: asyncpg.Record) -> GroupFacts:
    return GroupFacts(
        id=row["id"],
        created_at=row["created_at"],
        last_seq=row["last_seq"],
        name=row["name"],
        description=row["description"],
        member_count=row["member_count"],
        avatar=picture_of(row["avatar"]),
    )


async def list_channels(
    database: Database, viewer_id: str, channel_ids: Sequence[str]
) -> dict[str, Channel]:
    """Return those of the channels that the viewer is in, by id."""
    rows = await fetch_by_id(database, _CHANNELS, channel_ids, viewer_id)
    return {row["id"]: _channel_of(row) for row in rows}


async def list_channels_of_many(
    database: Database, pairs: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Channel]:
    """Return channels by the viewer's id and the channel's, each as its viewer sees it. It takes
    one statement a lane, however many viewers there are.
    """
    viewers = sorted({viewer_id for viewer_id, _ in pairs})
    channel_ids = sorted({channel_id for _, channel_id in pairs})
    rows = await fetch_by_id(database, _CHANNELS_OF_MANY, channel_ids, viewers)
    return {(row["viewer_id"], row["id"]): _channel_of(row) for row in rows}


async def list_group_facts(database: Database, channel_ids: Sequence[str]) -> dict[str, GroupFacts]:
    """Return what all members see alike of the groups, by channel id.

    It checks no membership: the caller knows that its readers may see them.
    """
    rows = await fetch_by_id(database, _FACTS, channel_ids)
    return {row["id"]: _facts_of(row) for row in rows}


async def find_channel(database: Database, viewer_id: str, channel_id: str) -> Channel | None:
    """Return the channel, or None when the viewer is not in it or it does not exist."""
    return (await list_channels(database, viewer_id, [channel_id])).get(channel_id)


NO_ID = "0" * 32


class ChannelCursor(msgspec.Struct, frozen=True):
    """A place in a viewer's list of channels: the newest message's time, then the id."""

    last_at: datetime
    channel_id: str


async def page_channels(
    database: Database,
    viewer_id: str,
    *,
    count: int,
    backwards: bool,
    after: ChannelCursor | None,
    before: ChannelCursor | None,
    kind: ChannelKind | None,
) -> tuple[list[Channel], bool]:
    """Return a page of the viewer's channels that have at least one entry, the one with the newest
    message first: the first `count` between the two cursors (both exclusive), or `backwards` the
    last. Return also whether there are more in that direction.
    """
    direction = "ASC" if backwards else "DESC"
    mine = await database.fetch(
        "SELECT channel_id FROM user_channels WHERE user_id = $1 AND left_seq IS NULL", viewer_id
    )
    heads = await fetch_by_id(
        database,
        f"""
        SELECT c.id, coalesce(c.last_at, c.created_at) AS newest_at FROM channels c
        WHERE c.id = ANY ($1) AND c.last_seq > 0 AND ($2::smallint IS NULL OR c.kind = $2)
          AND ($3::timestamptz IS NULL OR (coalesce(c.last_at, c.created_at), c.id) < ($3, $4))
          AND ($5::timestamptz IS NULL OR (coalesce(c.last_at, c.created_at), c.id) > ($5, $6))
        ORDER BY coalesce(c.last_at, c.created_at) {direction}, c.id {direction} LIMIT $7
        """,
        [row["channel_id"] for row in mine],
        None if kind is None else kind.value,
        after.last_at if after else None,
        after.channel_id if after else NO_ID,
        before.last_at if before else None,
        before.channel_id if before else NO_ID,
        count + 1,
    )
    heads.sort(key=lambda row: (row["newest_at"], row["id"]), reverse=not backwards)
    page = [row["id"] for row in heads[:count]]
    if backwards:
        page.reverse()
    channels = await list_channels(database, viewer_id, page)
    return [channels[each] for each in page if each in channels], len(heads) > count
