"""Reports: users tell the operator of a user or message. A copy of the message is stored as it was
when it was reported.
"""

from datetime import datetime

import msgspec

from models import ids
from models.limits.budgets import Charge, spend
from models.limits.limits import Limits
from models.messages.messages import Message
from models.messages.reading import find_message
from models.postgresql.database import Connection, Database
from models.refusals import invalid, not_found
from models.text import require_text
from models.users.users import find_user


class Report(msgspec.Struct, frozen=True):
    """The arguments of `report`: a user, a message (by channel id and seq), or a message and its
    sender.
    """

    reason: str
    user_id: str | None = None
    place: tuple[str, int] | None = None


async def report(
    database: Database, reporter_id: str, reported: Report, *, limits: Limits, now: datetime
) -> str:
    """Store the report, and return its id.

    Raises:
        Refused: INVALID_INPUT; NOT_FOUND for a user who does not exist and a message that the
            reporter may not see; RATE_LIMITED.
    """
    require_text(reported.reason, "reason", limits.report_reason_length, allow_newlines=True)
    if not reported.reason.strip():
        raise invalid("A reason needs a visible character.", "reason")
    message = await _get_message(database, reporter_id, reported)
    user_id = await _get_user_id(database, reported, message)
    report_id = ids.new_id()
    async with database.transaction() as connection:
        await spend(connection, [_charge(reporter_id, limits)], now=now)
        await _store(connection, reporter_id, report_id, user_id, message, reported.reason, now)
    return report_id


async def _get_message(database: Database, reporter_id: str, reported: Report) -> Message | None:
    if reported.place is None:
        return None
    message = await find_message(database, reporter_id, *reported.place)
    if message is None:
        raise not_found("There is no such message.", "messageId")
    return message


async def _get_user_id(database: Database, reported: Report, message: Message | None) -> str | None:
    """Return the id of the reported user, who must have sent the message if there is one."""
    if reported.user_id is None:
        return None if message is None else message.sender_id
    if await find_user(database, reported.user_id) is None:
        raise not_found("There is no such user.", "userId")
    if message is not None and message.sender_id != reported.user_id:
        raise invalid("This message was sent by somebody else.", "userId")
    return reported.user_id


async def _store(
    connection: Connection,
    reporter_id: str,
    report_id: str,
    user_id: str | None,
    message: Message | None,
    reason: str,
    now: datetime,
) -> None:
    await connection.execute(
        "INSERT INTO reports (user_id, id, reported_user_id, channel_id, seq, message, reason, at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        reporter_id,
        report_id,
        user_id,
        None if message is None else message.channel_id,
        None if message is None else message.seq,
        None if message is None else _copy_of(message),
        reason,
        now,
    )


def _copy_of(message: Message) -> str:
    """Return the message as JSON, without what only its sender sees and what needs look-ups."""
    return msgspec.json.encode(
        {
            "kind": message.kind.name,
            "sender_id": message.sender_id,
            "text": message.text,
            "reply_to_seq": message.reply_to_seq,
            "location": message.location,
            "mention_ids": message.mention_ids,
            "media_ids": message.media_ids,
            "notice": None
            if message.system is None
            else {
                "kind": message.system.kind.name,
                "actor_id": message.system.actor_id,
                "subject_ids": message.system.subject_ids,
                "value": message.system.value,
            },
            "reacted": message.reacted,
            "sent_at": message.sent_at,
            "edited_at": message.edited_at,
            "deleted_at": message.deleted_at,
        }
    ).decode()


def _charge(user_id: str, limits: Limits) -> Charge:
    return Charge(
        f"reports:user:{user_id}", limits.reports_per_user, "Too many reports were made; wait."
    )
