"""Whom entries concern on devices that follow nothing."""

from datetime import UTC, datetime

from models.log.entries import Batch, Change, Recipients, entry_of
from models.messages.messages import Message, MessageKind
from models.push.states import Want
from workers.push.recipients import list_changes, list_wants

NOW = datetime.now(UTC)


def message(seq: int, sender_id: str | None) -> Message:
    kind = MessageKind.SYSTEM if sender_id is None else MessageKind.TEXT
    return Message("c", seq, kind, sender_id, None, "Hi", None, NOW)


def batch(*said: tuple[int, str | None], change: Change | None = None) -> Batch:
    entries = [
        entry_of(message(seq, sender_id), seq=seq, change=change, at=NOW) for seq, sender_id in said
    ]
    return Batch("c", "o", entries, {"c": Recipients(["ann", "bob", "cy"], [1, 1, 1])})


def test_those_away_hear_of_the_newest_message_of_others() -> None:
    wants = list_wants([batch((1, "ann"), (2, "bob"), (3, "ann"))], {"ann", "bob"})

    assert wants == [Want("ann", "c", 2), Want("bob", "c", 3)]


def test_who_alone_said_something_hears_nothing() -> None:
    assert list_wants([batch((1, "ann"))], {"ann"}) == []


def test_what_the_channel_says_and_changes_are_nothing_to_push() -> None:
    batches = [batch((1, None)), batch((2, "ann"), change=Change.EDITED)]

    assert list_wants(batches, {"ann", "bob", "cy"}) == []


def test_edits_and_deletions_concern_all_but_the_author() -> None:
    for change in (Change.EDITED, Change.DELETED):
        assert list_changes([batch((1, "ann"), change=change)]) == [("bob", "c"), ("cy", "c")]
    assert list_changes([batch((1, "ann"), change=Change.REACTED)]) == []
