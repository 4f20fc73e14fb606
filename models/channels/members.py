"""Members: who is in a channel, in which role, and how far each has got in its log."""

from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum

import asyncpg
import msgspec

from models.postgresql.database import Database
from models.postgresql.lanes import fetch_by_id


class MemberRole(IntEnum):
    MEMBER = 1
    ADMIN = 2
    OWNER = 3


class MemberPosition(msgspec.Struct, frozen=True):
    """How far a member has got in the channel's log."""

    user_id: str
    delivered_seq: int
    read_seq: int


class MemberReference(msgspec.Struct, frozen=True):
    """What is known of a member without reading it."""

    channel_id: str
    user_id: str


class Member(msgspec.Struct, frozen=True):
    """A user in a channel, with positions as the viewer is shown them."""

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


# The members of the channels $1 as viewer $2 sees them; none of those that the viewer is not in.
_MEMBERS = """
SELECT m.channel_id, m.user_id, m.role, m.joined_at, m.joined_seq,
       CASE WHEN m.user_id = $2 THEN m.delivered_seq ELSE m.shown_delivered_seq END
           AS delivered_seq,
       CASE WHEN m.user_id = $2 THEN m.read_seq
            WHEN EXISTS (
                SELECT FROM members h
                WHERE h.channel_id = ANY ($1) AND h.channel_id = m.channel_id AND h.hides_receipts
            ) THEN 0
            ELSE m.shown_read_seq END AS read_seq
FROM members m
WHERE m.channel_id = ANY ($1) AND m.left_seq IS NULL AND EXISTS (
    SELECT FROM members v
    WHERE v.channel_id = ANY ($1) AND v.channel_id = m.channel_id AND v.user_id = $2
      AND v.left_seq IS NULL
)
"""


def _member_of(row: asyncpg.Record) -> Member:
    return Member(
        channel_id=row["channel_id"],
        user_id=row["user_id"],
        role=MemberRole(row["role"]),
        joined_at=row["joined_at"],
        joined_seq=row["joined_seq"],
        delivered_seq=row["delivered_seq"],
        read_seq=row["read_seq"],
    )


async def page_members(
    database: Database,
    viewer_id: str,
    channel_ids: Sequence[str],
    *,
    first: int,
    after_user_id: str | None,
) -> dict[str, tuple[list[Member], bool]]:
    """Return for each channel, by its id, a page of its members in the order of their ids, and
    whether more follow.

    The page is empty when the viewer is not a member.
    """
    rows = await fetch_by_id(
        database,
        _MEMBERS + " AND ($3::uuid IS NULL OR m.user_id > $3) ORDER BY m.channel_id, m.user_id",
        channel_ids,
        viewer_id,
        after_user_id,
    )
    found: dict[str, list[Member]] = {channel_id: [] for channel_id in channel_ids}
    for row in rows:
        page = found[row["channel_id"]]
        # One more than the page, which tells that more follow. A channel has 100 at most.
        if len(page) <= first:
            page.append(_member_of(row))
    return {channel_id: (page[:first], len(page) > first) for channel_id, page in found.items()}


# Members as many viewers see them: of the channels $1 for the viewers $2 those of the users $3.
_MEMBERS_OF_MANY = """
SELECT v.user_id AS viewer_id, m.channel_id, m.user_id, m.role, m.joined_at, m.joined_seq,
       CASE WHEN m.user_id = v.user_id THEN m.delivered_seq ELSE m.shown_delivered_seq END
           AS delivered_seq,
       CASE WHEN m.user_id = v.user_id THEN m.read_seq
            WHEN EXISTS (
                SELECT FROM members h WHERE h.channel_id = m.channel_id AND h.hides_receipts
            ) THEN 0
            ELSE m.shown_read_seq END AS read_seq
FROM members m JOIN members v ON v.channel_id = m.channel_id
WHERE m.channel_id = ANY ($1) AND m.user_id = ANY ($3) AND m.left_seq IS NULL
  AND v.user_id = ANY ($2) AND v.left_seq IS NULL
"""


async def list_members_of_many(
    database: Database, asked: Sequence[tuple[str, str, str]]
) -> dict[tuple[str, str, str], Member]:
    """Return members by the viewer's id, the channel's and the user's, each as that viewer sees it:
    those where both are in the channel. It takes one statement, however many viewers there are.
    """
    rows = await database.fetch(
        _MEMBERS_OF_MANY,
        sorted({channel_id for _, channel_id, _ in asked}),
        sorted({viewer_id for viewer_id, _, _ in asked}),
        sorted({user_id for _, _, user_id in asked}),
    )
    return {(row["viewer_id"], row["channel_id"], row["user_id"]): _member_of(row) for row in rows}


async def list_members(
    database: Database, viewer_id: str, places: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Member]:
    """Return members by channel id and user id: those of the users who are in the channel, where
    the viewer is, too.
    """
    rows = await fetch_by_id(
        database,
        _MEMBERS + " AND m.user_id = ANY ($3)",
        sorted({channel_id for channel_id, _ in places}),
        viewer_id,
        sorted({user_id for _, user_id in places}),
    )
    return {(row["channel_id"], row["user_id"]): _member_of(row) for row in rows}
