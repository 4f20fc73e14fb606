"""Holding a group to change it: its channel's row, and who is in it.

Whoever changes a group, its members or its invites holds its channel's row, so that roles and
membership stand still until the commit. Who is not in a group is told what one that does not exist
would tell them.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from models.channel_kinds import ChannelKind
from models.channels.members import MemberRole
from models.limits.limits import Limits
from models.log.entries import Batch
from models.log.writing import ChannelLog, lock_log
from models.postgresql.database import Connection, Database
from models.refusals import RefusalCode, Refused, not_found

Publish = Callable[[Batch], None]


class Seat(msgspec.Struct, frozen=True):
    """One who is in a group."""

    user_id: str
    role: MemberRole


class LockedGroup:
    """A group that stands still: its log to append to, and who is in it, by user id; the
    longest-serving first.
    """

    def __init__(self, log: ChannelLog, seats: dict[str, Seat]) -> None:
        self.log = log
        self.seats = seats

    @property
    def connection(self) -> Connection:
        return self.log.connection

    def get_seat(self, user_id: str, least: MemberRole = MemberRole.MEMBER) -> Seat:
        """Return the seat of the viewer, who must be in the group and have at least this role.

        Raises:
            Refused: NOT_FOUND, FORBIDDEN.
        """
        seat = self.seats.get(user_id)
        if seat is None:
            raise no_such_group()
        require_role(seat.role, least)
        return seat


def no_such_group(field: str = "groupId") -> Refused:
    return not_found("There is no such group.", field)


def require_role(role: MemberRole, least: MemberRole) -> None:
    """Check that a role is at least another.

    Raises:
        Refused: FORBIDDEN.
    """
    if role < least:
        whose = "an owner" if least is MemberRole.OWNER else "an owner or admin"
        raise Refused(RefusalCode.FORBIDDEN, f"Only {whose} of the group may do this.")


def require_seats(members: int, limits: Limits) -> None:
    """Check that a group may have so many members.

    Raises:
        Refused: GROUP_FULL when a group cannot have so many.
    """
    if members > limits.group_members:
        raise Refused(
            RefusalCode.GROUP_FULL, f"A group has at most {limits.group_members} members."
        )


@asynccontextmanager
async def lock_group(
    database: Database, channel_id: str, publish: Publish
) -> AsyncIterator[LockedGroup]:
    """Hold a group; what is appended is committed at the end of the block.

    Only for who may know that the group exists: it waits for whoever else holds the row.

    Raises:
        Refused: NOT_FOUND.
    """
    async with lock_log(database, channel_id, publish) as log:
        if log is None or log.kind != ChannelKind.GROUP:
            raise no_such_group()
        rows = await log.connection.fetch(
            "SELECT user_id, role FROM members "
            "WHERE channel_id = $1 AND left_seq IS NULL ORDER BY joined_seq, user_id",
            channel_id,
        )
        yield LockedGroup(
            log, {row["user_id"]: Seat(row["user_id"], MemberRole(row["role"])) for row in rows}
        )


@asynccontextmanager
async def lock_own_group(
    database: Database,
    viewer_id: str,
    channel_id: str,
    publish: Publish,
    least: MemberRole = MemberRole.MEMBER,
) -> AsyncIterator[LockedGroup]:
    """Hold a group for a member of at least this role, as `lock_group` does.

    Others are refused before anything is locked: they can neither hold a group up, nor tell by the
    time it takes whether there is one.

    Raises:
        Refused: NOT_FOUND, FORBIDDEN.
    """
    await require_own_group(database, viewer_id, channel_id, least)
    async with lock_group(database, channel_id, publish) as group:
        group.get_seat(viewer_id, least)
        yield group


async def require_own_group(
    database: Database, viewer_id: str, channel_id: str, least: MemberRole
) -> None:
    """Check that the viewer is in the group, in at least this role. It locks nothing: whoever goes
    on to change the group checks again while it is locked.

    Raises:
        Refused: NOT_FOUND; FORBIDDEN for a member of a lesser role.
    """
    role = await database.fetchval(
        """
        SELECT v.role FROM members v JOIN groups g ON g.channel_id = $1
        WHERE v.channel_id = $1 AND v.user_id = $2 AND v.left_seq IS NULL
        """,
        channel_id,
        viewer_id,
    )
    if role is None:
        raise no_such_group()
    require_role(MemberRole(role), least)
