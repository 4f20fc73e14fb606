"""Membership of groups: who may be added, who comes and goes, and in which role.

All of it is decided while the group stands still (`models.groups.locking`): a group never has more
members than its limit, and never is without an owner while anybody is in it. A membership is
written to both families, `members` and `user_channels`, in the transaction of the entry that begins
or ends it.
"""

from collections.abc import Collection, Sequence

import msgspec

from models.channels.members import MemberRole
from models.groups.locking import LockedGroup, Publish, Seat, lock_own_group, require_seats
from models.limits.limits import Limits
from models.log.writing import ChannelLog
from models.messages.notices import NoticeKind, SystemNotice
from models.postgresql.database import Database
from models.postgresql.lanes import fetch_by_id
from models.postgresql.many_rows import ManyRows
from models.refusals import RefusalCode, Refused, invalid, not_found
from models.users.relations import list_blocked, list_blockers, list_contacts

# users.add_to_groups_audience.
_EVERYONE, _CONTACTS = 1, 2


# ------------------------------------------------------------------ who may be added


class Willingness(msgspec.Struct, frozen=True):
    """Which users exist, and which of them the one who asks may add to a group."""

    known: frozenset[str]
    willing: frozenset[str]

    def require(self, named: Sequence[str], field: str, *, among: Collection[str]) -> None:
        """Refuse for the first of those named who is among them and may not be added.

        Raises:
            Refused: NOT_FOUND, FORBIDDEN, with the field of that one.
        """
        for place, user_id in enumerate(named):
            if user_id not in among or user_id in self.willing:
                continue
            if user_id not in self.known:
                raise not_found("There is no such user.", f"{field}.{place}")
            # Whether they have blocked the viewer or let nobody add them is not told.
            raise Refused(
                RefusalCode.FORBIDDEN,
                "This user does not let the viewer add them to groups.",
                field=f"{field}.{place}",
            )


async def read_willingness(
    database: Database, actor_id: str, user_ids: Sequence[str]
) -> Willingness:
    """Read which of the users the actor may add. Each user's `addToGroups` decides; nobody may be
    added where one of the two blocks the other.
    """
    rows = await fetch_by_id(
        database, "SELECT id, add_to_groups_audience FROM users WHERE id = ANY ($1)", user_ids
    )
    audiences = {row["id"]: row["add_to_groups_audience"] for row in rows}
    blocks = await list_blockers(database, actor_id, audiences)
    blocks |= await list_blocked(database, actor_id, audiences)
    choosy = [user_id for user_id, audience in audiences.items() if audience == _CONTACTS]
    contacts = await list_contacts(database, actor_id, choosy)
    willing = {user_id for user_id, audience in audiences.items() if audience == _EVERYONE}
    return Willingness(frozenset(audiences), frozenset((willing | contacts) - blocks))


# ------------------------------------------------------------------ both families

_MEMBERS = ManyRows(
    """
    INSERT INTO members AS m (
        channel_id, user_id, role, joined_at, joined_seq, delivered_seq, read_seq,
        shown_delivered_seq, shown_read_seq
    )
    """,
    "$2::uuid, {user_id}, $3::smallint, $4::timestamptz, $5::integer, $6::integer, $6, $6, $6",
    {"user_id": "uuid"},
    """
    ON CONFLICT (channel_id, user_id) DO UPDATE SET
        role = excluded.role, joined_at = excluded.joined_at,
        joined_seq = excluded.joined_seq, left_seq = NULL,
        delivered_seq = excluded.delivered_seq, read_seq = excluded.read_seq,
        shown_delivered_seq = excluded.shown_delivered_seq,
        shown_read_seq = excluded.shown_read_seq, muted_until = NULL
    """,
)
_USER_CHANNELS = ManyRows(
    "INSERT INTO user_channels AS u (user_id, channel_id)",
    "{user_id}, $2::uuid",
    {"user_id": "uuid"},
    "ON CONFLICT (user_id, channel_id) DO UPDATE SET left_seq = NULL",
)


async def bring_in(log: ChannelLog, user_ids: Sequence[str], role: MemberRole) -> None:
    """Begin memberships with the newest entry of the log. Nothing of an earlier one goes on:
    positions stand before the entry, and the mute is off.
    """
    rows = [(user_id,) for user_id in sorted(set(user_ids))]
    await _MEMBERS.write(
        log.connection,
        rows,
        log.channel_id,
        role.value,
        log.now,
        log.last_seq,
        log.last_seq - 1,
        is_distributed=log.is_distributed,
    )
    await _USER_CHANNELS.write(
        log.connection, rows, log.channel_id, is_distributed=log.is_distributed
    )


async def _take_out(log: ChannelLog, user_id: str) -> None:
    """End a membership with the newest entry of the log."""
    await log.connection.execute(
        "UPDATE members SET left_seq = $3 WHERE channel_id = $1 AND user_id = $2",
        log.channel_id,
        user_id,
        log.last_seq,
    )
    await log.connection.execute(
        "UPDATE user_channels SET left_seq = $3 WHERE user_id = $1 AND channel_id = $2",
        user_id,
        log.channel_id,
        log.last_seq,
    )


async def _set_role(log: ChannelLog, actor_id: str, user_id: str, role: MemberRole) -> None:
    await log.append_notice(
        SystemNotice(NoticeKind.ROLE_CHANGED, actor_id, [user_id], value=role.name)
    )
    await log.connection.execute(
        "UPDATE members SET role = $3 WHERE channel_id = $1 AND user_id = $2",
        log.channel_id,
        user_id,
        role.value,
    )


# ------------------------------------------------------------------ coming and going


async def add_members(
    database: Database,
    viewer_id: str,
    channel_id: str,
    user_ids: Sequence[str],
    *,
    limits: Limits,
    publish: Publish,
) -> None:
    """Add all of them, or none: one entry, unless all are in already.

    Raises:
        Refused: NOT_FOUND, FORBIDDEN, GROUP_FULL.
    """
    # More than fit anyhow are not looked up: the answer is GROUP_FULL, once the viewer is known to
    # be in the group.
    named = list(dict.fromkeys(user_ids))
    willingness = await read_willingness(database, viewer_id, named[: limits.group_members])
    async with lock_own_group(database, viewer_id, channel_id, publish, MemberRole.ADMIN) as group:
        newcomers = [user_id for user_id in named if user_id not in group.seats]
        require_seats(len(group.seats) + len(newcomers), limits)
        willingness.require(user_ids, "userIds", among=newcomers)
        if newcomers:
            await group.log.append_notice(
                SystemNotice(NoticeKind.MEMBER_ADDED, viewer_id, newcomers)
            )
            await bring_in(group.log, newcomers, MemberRole.MEMBER)


async def remove_member(
    database: Database, viewer_id: str, channel_id: str, user_id: str, *, publish: Publish
) -> None:
    """Take another member out of the group.

    Raises:
        Refused: NOT_FOUND, FORBIDDEN; INVALID_INPUT for oneself.
    """
    async with lock_own_group(database, viewer_id, channel_id, publish, MemberRole.ADMIN) as group:
        if user_id == viewer_id:
            raise invalid("Use leaveGroup to leave.", "userId")
        seat = _get_other(group, user_id)
        if seat.role > MemberRole.MEMBER and group.get_seat(viewer_id).role < MemberRole.OWNER:
            raise Refused(
                RefusalCode.FORBIDDEN, "Only an owner may remove an owner or admin.", field="userId"
            )
        await group.log.append_notice(SystemNotice(NoticeKind.MEMBER_REMOVED, viewer_id, [user_id]))
        await _take_out(group.log, user_id)


async def leave_group(
    database: Database, viewer_id: str, channel_id: str, *, publish: Publish
) -> None:
    """Take the viewer out of the group. When the last owner leaves, another member becomes the
    owner first, in the same transaction. When the last member leaves, the group is closed.

    Raises:
        Refused: NOT_FOUND.
    """
    async with lock_own_group(database, viewer_id, channel_id, publish) as group:
        others = [seat for seat in group.seats.values() if seat.user_id != viewer_id]
        if others and not _has_owner(others):
            # The longest-serving first, so the first of the greatest role.
            successor = max(others, key=lambda seat: seat.role)
            await _lock_members(group, [viewer_id, successor.user_id])
            await _set_role(group.log, viewer_id, successor.user_id, MemberRole.OWNER)
        await group.log.append_notice(SystemNotice(NoticeKind.MEMBER_LEFT, viewer_id))
        await _take_out(group.log, viewer_id)
        if not others:
            await _close(group)


async def set_member_role(
    database: Database,
    viewer_id: str,
    channel_id: str,
    user_id: str,
    role: MemberRole,
    *,
    publish: Publish,
) -> None:
    """Give a member another role, which appends one entry. A member who has the role already keeps
    it, without an entry.

    Raises:
        Refused: NOT_FOUND, FORBIDDEN, LAST_OWNER.
    """
    async with lock_own_group(database, viewer_id, channel_id, publish, MemberRole.OWNER) as group:
        if _get_other(group, user_id).role is role:
            return
        others = [seat for seat in group.seats.values() if seat.user_id != user_id]
        if role is not MemberRole.OWNER and not _has_owner(others):
            raise Refused(
                RefusalCode.LAST_OWNER,
                "The last owner of a group makes another an owner first.",
                field="userId",
            )
        await _set_role(group.log, viewer_id, user_id, role)


def _get_other(group: LockedGroup, user_id: str) -> Seat:
    seat = group.seats.get(user_id)
    if seat is None:
        raise not_found("There is no such member.", "userId")
    return seat


def _has_owner(seats: Sequence[Seat]) -> bool:
    return any(seat.role is MemberRole.OWNER for seat in seats)


async def _lock_members(group: LockedGroup, user_ids: Sequence[str]) -> None:
    """Lock several members' rows before they are written, in the order in which acknowledgements
    lock them.
    """
    await group.connection.execute(
        "SELECT FROM members WHERE channel_id = $1 AND user_id = ANY ($2) "
        "ORDER BY channel_id, user_id FOR UPDATE",
        group.log.channel_id,
        list(user_ids),
    )


async def _close(group: LockedGroup) -> None:
    """Close a group that has no member left: nobody can come back."""
    channel_id, now = group.log.channel_id, group.log.now
    await group.connection.execute(
        "UPDATE groups SET closed_at = $2 WHERE channel_id = $1", channel_id, now
    )
    await group.connection.execute(
        "UPDATE invites SET revoked_at = $2 WHERE channel_id = $1 AND revoked_at IS NULL",
        channel_id,
        now,
    )
