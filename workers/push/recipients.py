"""Find the recipients of pushes among committed entries: the users to tell of a message, and those
whose devices may show what has changed.
"""

from collections.abc import Collection, Sequence

from models.log.entries import Batch, Change, Entry
from models.messages.messages import MessageKind
from models.push.states import Want

_CHANGES = (Change.EDITED, Change.DELETED)


def list_wants(batches: Sequence[Batch], away: Collection[str]) -> list[Want]:
    """Return for each user who is away, and each channel, the newest message by somebody else."""
    return [
        want
        for batch in batches
        for channel_id, entries in _messages_by_channel(batch).items()
        for want in _wants_of(channel_id, entries, batch, away)
    ]


def _messages_by_channel(batch: Batch) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in batch.entries:
        if entry.change is None and entry.message.kind is not MessageKind.SYSTEM:
            found.setdefault(entry.channel_id, []).append(entry)
    return found


def _wants_of(
    channel_id: str, entries: Sequence[Entry], batch: Batch, away: Collection[str]
) -> list[Want]:
    last = entries[-1]
    author_id = last.message.sender_id
    before = [entry for entry in entries if entry.message.sender_id != author_id]
    recipients = batch.recipients.get(channel_id)
    wants = []
    for user_id in recipients.user_ids if recipients else ():
        if user_id not in away:
            continue
        if user_id != author_id:
            wants.append(Want(user_id, channel_id, last.seq))
        elif before:
            wants.append(Want(user_id, channel_id, before[-1].seq))
    return wants


def list_changes(batches: Sequence[Batch]) -> list[tuple[str, str]]:
    """Return (user, channel) where a device may show a message that was edited or deleted, or a
    channel that its user has left.
    """
    places = []
    for batch in batches:
        for entry in batch.entries:
            user_ids = entry.takes_out
            if entry.change in _CHANGES and (to := batch.recipients.get(entry.channel_id)):
                user_ids = [user for user in to.user_ids if user != entry.message.sender_id]
            places += [(user_id, entry.channel_id) for user_id in user_ids]
    return places
