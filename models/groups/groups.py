"""Groups: making one, what it is called, and its picture.

Making a group is repeatable: its id follows from its creator and the id that they gave it, so a
repeat meets the first, whichever process it asks.
"""

import hashlib

import msgspec
from msgspec import UNSET, UnsetType

from models import ids
from models.channel_kinds import ChannelKind
from models.channels.members import MemberRole
from models.groups.locking import (
    Publish,
    lock_own_group,
    no_such_group,
    require_own_group,
    require_seats,
)
from models.groups.membership import bring_in, read_willingness
from models.limits.limits import Limits
from models.log.writing import ChannelLog, create_log
from models.media.media import Media, stored_picture
from models.media.uses import HolderKind, claim_picture, release_picture
from models.messages.notices import NoticeKind, SystemNotice
from models.names import require_name
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused, invalid
from models.text import require_text


class GroupDraft(msgspec.Struct, frozen=True):
    """What `createGroup` was given."""

    creator_id: str
    name: str
    description: str | None
    # As named: in their order, with repeats.
    member_ids: list[str]
    # Made by the client: makes creating safe to repeat.
    client_group_id: str | None = None
    avatar_id: str | None = None

    @property
    def newcomers(self) -> list[str]:
        """Return the ids of the other members, each once."""
        return [who for who in dict.fromkeys(self.member_ids) if who != self.creator_id]

    def fingerprint(self) -> bytes:
        """Return the SHA-256 of what was asked for: a repeat must ask for the same."""
        asked: tuple[object, ...] = (self.name, self.description, sorted(self.newcomers))
        if self.avatar_id is not None:
            asked = (*asked, self.avatar_id)
        return hashlib.sha256(msgspec.msgpack.encode(asked)).digest()


class GroupChanges(msgspec.Struct, frozen=True):
    """What `updateGroup` was given: UNSET keeps, None clears."""

    name: str | None | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    avatar_id: str | None | UnsetType = UNSET


class _Face(msgspec.Struct, frozen=True):
    """How a group shows itself; of the picture, the id."""

    name: str
    description: str | None
    avatar_id: str | None


def require_draft(draft: GroupDraft, limits: Limits) -> GroupDraft:
    """Return the draft as it is stored, after every check that needs no database.

    Raises:
        Refused: INVALID_INPUT naming the field; GROUP_FULL.
    """
    if draft.client_group_id is not None:
        require_text(
            draft.client_group_id, "clientGroupId", limits.client_message_id_length, min_length=1
        )
    require_seats(1 + len(draft.newcomers), limits)
    return msgspec.structs.replace(
        draft,
        name=require_name(draft.name, "name", limits.name_length),
        description=_require_description(draft.description, limits),
    )


async def create_group(
    database: Database, draft: GroupDraft, *, limits: Limits, publish: Publish
) -> str:
    """Make the group, and return its id. An earlier call with the same `client_group_id` may have
    made it.

    Raises:
        Refused: INVALID_INPUT; NOT_FOUND and FORBIDDEN naming one of the members; GROUP_FULL;
        CONFLICT; what `claim_picture` refuses.
    """
    draft = require_draft(draft, limits)
    if draft.client_group_id is None:
        channel_id = ids.new_id()
    else:
        channel_id = ids.group_id(draft.creator_id, draft.client_group_id)
        if await _is_repeat(database, channel_id, draft):
            return channel_id
    newcomers = draft.newcomers
    willingness = await read_willingness(database, draft.creator_id, newcomers)
    willingness.require(draft.member_ids, "memberIds", among=newcomers)
    avatar = await _claim(database, draft.creator_id, channel_id, draft.avatar_id)
    async with create_log(database, channel_id, ChannelKind.GROUP, publish) as log:
        if log is not None:
            await _write_group(log, draft, avatar)
    if log is None and not await _is_repeat(database, channel_id, draft):
        raise no_such_group("clientGroupId")
    return channel_id


async def _is_repeat(database: Database, channel_id: str, draft: GroupDraft) -> bool:
    """Return True if the group has been made already.

    Raises:
        Refused: CONFLICT when it was made from another draft.
    """
    draft_hash = await database.fetchval(
        "SELECT draft_hash FROM groups WHERE channel_id = $1", channel_id
    )
    if draft_hash is not None and draft_hash != draft.fingerprint():
        raise Refused(
            RefusalCode.CONFLICT,
            "This clientGroupId was used for another group.",
            field="clientGroupId",
        )
    return draft_hash is not None


async def _claim(
    database: Database, viewer_id: str, channel_id: str, avatar_id: str | None | UnsetType
) -> Media | None:
    if avatar_id is UNSET or avatar_id is None:
        return None
    return await claim_picture(database, viewer_id, HolderKind.GROUP, channel_id, avatar_id)


async def _write_group(log: ChannelLog, draft: GroupDraft, avatar: Media | None) -> None:
    await log.connection.execute(
        "INSERT INTO groups (channel_id, name, description, creator_id, draft_hash, avatar) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        log.channel_id,
        draft.name,
        draft.description,
        draft.creator_id,
        draft.fingerprint(),
        stored_picture(avatar),
    )
    await log.append_notice(
        SystemNotice(NoticeKind.GROUP_CREATED, draft.creator_id, draft.newcomers, draft.name)
    )
    await bring_in(log, [draft.creator_id], MemberRole.OWNER)
    await bring_in(log, draft.newcomers, MemberRole.MEMBER)


async def update_group(
    database: Database,
    viewer_id: str,
    channel_id: str,
    changes: GroupChanges,
    *,
    limits: Limits,
    publish: Publish,
) -> None:
    """Change what was given: one entry, unless that changes nothing.

    Raises:
        Refused: NOT_FOUND, FORBIDDEN; INVALID_INPUT naming the field; what `claim_picture` refuses.
    """
    changes = _require_changes(changes, limits)
    if changes.avatar_id is not UNSET:
        # Claiming is a transaction of its own, before the group stands still.
        await require_own_group(database, viewer_id, channel_id, MemberRole.ADMIN)
    avatar = await _claim(database, viewer_id, channel_id, changes.avatar_id)
    async with lock_own_group(database, viewer_id, channel_id, publish, MemberRole.ADMIN) as group:
        row = await group.connection.fetchrow(
            "SELECT name, description, avatar->>'id' AS avatar_id FROM groups "
            "WHERE channel_id = $1",
            channel_id,
        )
        assert row is not None
        old = _Face(**row)
        new = _changed(old, changes)
        if new == old:
            return
        await group.connection.execute(
            """
            UPDATE groups SET name = $2, description = $3,
                avatar = CASE WHEN $4 THEN $5::jsonb ELSE avatar END
            WHERE channel_id = $1
            """,
            channel_id,
            new.name,
            new.description,
            new.avatar_id != old.avatar_id,
            stored_picture(avatar),
        )
        if new.avatar_id != old.avatar_id:
            release_picture(group.log.due, old.avatar_id, avatar)
        if new.name != old.name:
            notice = SystemNotice(NoticeKind.GROUP_RENAMED, viewer_id, value=new.name)
        else:
            notice = SystemNotice(NoticeKind.GROUP_CHANGED, viewer_id)
        await group.log.append_notice(notice)


def _changed(old: _Face, changes: GroupChanges) -> _Face:
    given = {
        name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET
    }
    return msgspec.structs.replace(old, **given)


def _require_changes(changes: GroupChanges, limits: Limits) -> GroupChanges:
    name, description = changes.name, changes.description
    if name is None:
        raise invalid("A name cannot be cleared.", "name")
    return GroupChanges(
        name if name is UNSET else require_name(name, "name", limits.name_length),
        description if description is UNSET else _require_description(description, limits),
        changes.avatar_id,
    )


def _require_description(description: str | None, limits: Limits) -> str | None:
    """Return the description as it is stored; a blank one becomes None."""
    if description is None or not description.strip():
        return None
    return require_text(description, "description", limits.description_length, allow_newlines=True)
