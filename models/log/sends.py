"""Sending: from a draft to the stored message, as its sender is answered."""

import msgspec

from models.log.admission import require_sender
from models.log.committer import Committer
from models.log.drafts import Draft, Sent
from models.media.uses import claim_for_message
from models.messages.messages import Message, MessageKind, for_sender, show_to
from models.messages.reading import get_own_message, is_sent
from models.postgresql.database import Database
from models.refusals import Refused


class SentMessage(msgspec.Struct, frozen=True):
    """A stored message, and whether an earlier send with the same client's id had stored it."""

    message: Message
    replayed: bool


async def send_message(database: Database, committer: Committer, draft: Draft) -> SentMessage:
    """Store the draft, or find the message that an earlier send of it stored.

    Raises:
        Refused: NOT_FOUND, BLOCKED, CONFLICT, INVALID_INPUT, UNAVAILABLE; what `claim_for_message`
            refuses.
    """
    if draft.media_ids:
        await _claim_media(database, draft)
    return await _read_sent(database, draft, await committer.send(draft))


async def _claim_media(database: Database, draft: Draft) -> None:
    """Write down that the message will hold its media, and give the draft the kind of the first.

    A message that is stored already is answered with, even when its media or its sender's
    membership are gone by now. So a refusal counts only when no such message is stored.
    """
    sender_id = draft.sender.id
    try:
        await require_sender(database, sender_id, draft.channel_id)
        media = await claim_for_message(
            database, sender_id, draft.channel_id, draft.client_message_id, draft.media_ids
        )
    except Refused:
        if not await is_sent(database, sender_id, draft.channel_id, draft.client_message_id):
            raise
    else:
        draft.kind = MessageKind[media[0].kind.name]


async def _read_sent(database: Database, draft: Draft, sent: Sent) -> SentMessage:
    """Return what the sender gets back."""
    if sent.message is not None:
        return SentMessage(for_sender(sent.message), replayed=False)
    message = await get_own_message(database, draft.sender.id, draft.channel_id, sent.seq)
    # After a lost connection the batch went again, and found what its own first try had stored.
    own_try = draft.tries > 1 and message.sent_at == draft.at
    return SentMessage(show_to(message, draft.sender.id), replayed=not own_try)
