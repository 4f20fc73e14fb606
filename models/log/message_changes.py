"""Changes to messages: editing, deleting and reacting, each an entry of the channel's log.

Permission is checked before anything is locked, and again under the channel's row lock. There the
change is decided and written, so that two changes never cross, nor a change and a removal or a
block. A change that changes nothing takes no seq and is answered with the message, so it may be
repeated. The text of a deleted message is removed from the row and from the search index; the
client's id and hash stay, so that a repeated send is still recognised.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from models.channel_kinds import ChannelKind
from models.channels.members import MemberRole
from models.channels.refusals import blocked_chat
from models.log.entries import Batch, Change
from models.log.writing import ChannelLog, lock_log
from models.messages.messages import COLUMNS, Message, MessageKind, message_of, show_to
from models.postgresql.database import Connection, Database
from models.refusals import RefusalCode, Refused, invalid, not_found

_FIELD = "messageId"

Place = tuple[str, int]
OnCommit = Callable[[Batch], None]


class _Sight(msgspec.Struct, frozen=True):
    """A message as the viewer sees it, and the viewer's role in its channel."""

    viewer_id: str
    viewer_role: MemberRole
    message: Message

    @property
    def is_own(self) -> bool:
        return self.message.sender_id == self.viewer_id


class _Target(msgspec.Struct):
    """A message that the viewer may change, while its channel's row is locked."""

    log: ChannelLog
    viewer_id: str
    message: Message

    def answer(self) -> Message:
        """Return a copy for the viewer: the entry's own message is hydrated for all recipients."""
        return show_to(msgspec.structs.replace(self.message), self.viewer_id)

    async def require_unblocked(self) -> None:
        if self.log.kind == ChannelKind.CHAT and await self.log.connection.fetchval(
            "SELECT EXISTS (SELECT FROM members WHERE channel_id = $1 AND blocks)",
            self.log.channel_id,
        ):
            raise blocked_chat(None)

    async def write(self, change: Change, assignments: str, *values: object) -> None:
        """Change the row ($1 channel, $2 seq, $3 … the values) and append the change to the log."""
        log = self.log
        row = await log.connection.fetchrow(
            f"UPDATE messages m SET {assignments} WHERE m.channel_id = $1 AND m.seq = $2 "
            f"RETURNING {COLUMNS}",
            log.channel_id,
            self.message.seq,
            *values,
        )
        assert row is not None
        self.message = message_of(row)
        await log.append_change(change, self.message, self.viewer_id)

    def release_media(self) -> None:
        """Have a job delete the message's media, unless something else holds them."""
        if self.message.media_ids:
            self.log.due.add("media_release", [{"media_ids": self.message.media_ids}])

    async def index_again(self) -> None:
        """Let search know the text as it is now."""
        await self.log.connection.execute(
            "SELECT rebuild_search_block_v2($1, $2)", self.log.channel_id, self.message.seq
        )


# May the viewer do this to the message? Raises Refused, or returns.
Permit = Callable[[_Sight], None]


async def _see(connection: Connection, viewer_id: str, place: Place, permit: Permit) -> _Sight:
    """Return the message as the viewer sees it, after `permit` has agreed to the change.

    Raises:
        Refused: NOT_FOUND when there is none that the viewer may see; FORBIDDEN for a SYSTEM one;
            what `permit` raises.
    """
    channel_id, seq = place
    row = await connection.fetchrow(
        f"""
        SELECT {COLUMNS}, v.role FROM messages m
        JOIN members v ON v.channel_id = $1 AND v.user_id = $3 AND v.left_seq IS NULL
            AND v.joined_seq <= m.seq
        WHERE m.channel_id = $1 AND m.seq = $2
        """,
        channel_id,
        seq,
        viewer_id,
    )
    if row is None:
        raise _no_such_message()
    sight = _Sight(viewer_id, MemberRole(row["role"]), message_of(row))
    if sight.message.kind is MessageKind.SYSTEM:
        raise _forbidden("What the channel itself says cannot be changed.")
    permit(sight)
    return sight


@asynccontextmanager
async def _open_message(
    database: Database, on_commit: OnCommit, viewer_id: str, place: Place, permit: Permit
) -> AsyncIterator[_Target]:
    """Look at the message, lock the channel's row, and look again. Whoever may not change the
    message neither waits for the row nor holds it.

    Raises:
        Refused: what `_see` does.
    """
    async with database.connection() as connection:
        await _see(connection, viewer_id, place, permit)
    async with lock_log(database, place[0], on_commit) as log:
        if log is None:
            raise _no_such_message()
        sight = await _see(log.connection, viewer_id, place, permit)
        yield _Target(log, viewer_id, sight.message)


async def edit_message(
    database: Database,
    on_commit: OnCommit,
    viewer_id: str,
    place: Place,
    text: str,
    *,
    window_s: float,
) -> Message:
    """Give the message a new text, whose shape and length were checked, and return it. A message
    that has this text already stays as it is.

    Raises:
        Refused: NOT_FOUND, FORBIDDEN, INVALID_INPUT, BLOCKED, EDIT_WINDOW_CLOSED.
    """
    async with _open_message(database, on_commit, viewer_id, place, _permit_edit) as target:
        message = target.message
        if message.text != text:
            await target.require_unblocked()
            if (target.log.now - message.sent_at).total_seconds() > window_s:
                raise Refused(
                    RefusalCode.EDIT_WINDOW_CLOSED,
                    f"A message can be edited for {window_s:g} s after it was sent.",
                    field=_FIELD,
                )
            await target.write(Change.EDITED, "text = $3, edited_at = $4", text, target.log.now)
            await target.index_again()
        return target.answer()


async def delete_message(
    database: Database, on_commit: OnCommit, viewer_id: str, place: Place
) -> Message:
    """Delete the viewer's own message, or anybody's in a group that they run; return the tombstone.
    A message can be deleted while one of a chat blocks the other.

    Raises:
        Refused: NOT_FOUND, FORBIDDEN.
    """
    async with _open_message(database, on_commit, viewer_id, place, _permit_deletion) as target:
        if target.message.deleted_at is None:
            target.release_media()
            await target.write(
                Change.DELETED,
                "text = NULL, details = NULL, reactions = NULL, deleted_at = $3",
                target.log.now,
            )
            await target.index_again()
        return target.answer()


async def react(
    database: Database, on_commit: OnCommit, viewer_id: str, place: Place, emoji: str | None
) -> Message:
    """Give the message the viewer's one reaction, or take it back with None; return the message.

    Raises:
        Refused: NOT_FOUND, FORBIDDEN, INVALID_INPUT, BLOCKED.
    """
    async with _open_message(database, on_commit, viewer_id, place, _require_not_deleted) as target:
        reacted = target.message.reacted
        if dict(reacted).get(viewer_id) != emoji:
            await target.require_unblocked()
            kept = [each for each in reacted if each[0] != viewer_id]
            given = kept if emoji is None else [*kept, (viewer_id, emoji)]
            stored = msgspec.json.encode(given).decode() if given else None
            await target.write(Change.REACTED, "reactions = $3", stored)
        return target.answer()


def _permit_edit(sight: _Sight) -> None:
    if not sight.is_own:
        raise _forbidden("Only the sender of a message can edit it.")
    _require_not_deleted(sight)


def _permit_deletion(sight: _Sight) -> None:
    # Only a group has admins and owners.
    if not sight.is_own and sight.viewer_role < MemberRole.ADMIN:
        raise _forbidden("Only the sender, or an owner or admin of the group, can delete it.")


def _require_not_deleted(sight: _Sight) -> None:
    if sight.message.deleted_at is not None:
        raise invalid("A deleted message cannot be changed.", _FIELD)


def _no_such_message() -> Refused:
    return not_found("There is no such message.", _FIELD)


def _forbidden(reason: str) -> Refused:
    return Refused(RefusalCode.FORBIDDEN, reason, field=_FIELD)
