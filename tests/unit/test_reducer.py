"""A client that is older than its server goes on with what it does not know."""

from typing import Any

import pytest

from clients.python.reducer import Json, Replica

POSITION = {"userId": "bob", "deliveredSeq": 0, "readSeq": 0}


def message(seq: int, **more: Any) -> Json:
    stored = {"seq": seq, "kind": "TEXT", "sender": {"id": "alice"}, "deletedAt": None}
    return {**stored, "status": None, **more}


@pytest.fixture
def replica() -> Replica:
    """One channel with one message, as it was fetched."""
    replica = Replica()
    channel = {"id": "chat", "lastSeq": 1, "position": POSITION, "mutedUntil": None}
    lists = {"messages": {"nodes": [message(1)]}, "members": {"nodes": []}}
    replica.put("chat", {**channel, "unreadCount": 1, **lists})
    return replica


def test_an_unknown_entry_of_a_log_moves_the_position_and_nothing_else(replica: Replica) -> None:
    replica.apply({"__typename": "SomethingNew", "channelId": "chat", "seq": 2})

    assert replica.positions() == [{"channelId": "chat", "seq": 2}]
    assert replica.channels["chat"]["messages"] == {1: message(1)}


@pytest.mark.parametrize("event", [{}, {"channelId": "chat"}], ids=["bare", "of a channel"])
def test_an_unknown_event_that_is_in_no_log_changes_nothing(replica: Replica, event: Json) -> None:
    replica.apply({"__typename": "SomethingNew", **event})

    assert replica.positions() == [{"channelId": "chat", "seq": 1}]
    assert (replica.stale, replica.missing) == (False, set())


def test_a_message_of_an_unknown_kind_is_kept_and_counts_as_unread(replica: Replica) -> None:
    new = message(2, kind="HOLOGRAM")

    replica.apply({"__typename": "MessageAdded", "channelId": "chat", "seq": 2, "message": new})

    assert replica.channels["chat"]["messages"][2] == new
    assert replica.channels["chat"]["unreadCount"] == 2


def test_what_comes_again_after_a_cut_changes_nothing(replica: Replica) -> None:
    event = {"__typename": "MessageAdded", "channelId": "chat", "seq": 2, "message": message(2)}
    replica.apply(event)

    replica.apply({**event, "message": message(2, text="once more")})

    assert replica.channels["chat"]["messages"] == {1: message(1), 2: message(2)}


def test_an_entry_that_is_not_the_next_one_has_the_channel_fetched_again(replica: Replica) -> None:
    replica.apply({"__typename": "LogAdvanced", "channelId": "chat", "seq": 3})

    assert replica.missing == {"chat"}
    assert replica.channels == {}


def test_a_change_of_a_message_of_an_older_page_leaves_no_hole(replica: Replica) -> None:
    event = {"__typename": "MessageUpdated", "channelId": "chat", "seq": 2, "message": message(0)}

    replica.apply(event)

    assert list(replica.channels["chat"]["messages"]) == [1]
    assert replica.positions() == [{"channelId": "chat", "seq": 2}]


def test_the_answer_to_a_send_is_shown_before_its_event(replica: Replica) -> None:
    sent = message(2, channelId="chat", sender={"id": "bob"}, text="mine")

    replica.put_sent(sent)

    assert replica.channels["chat"]["messages"][2] == sent
    assert replica.positions() == [{"channelId": "chat", "seq": 1}]


def test_what_was_stored_is_the_same_copy(replica: Replica) -> None:
    again = Replica()

    again.put("chat", replica.row("chat"))

    assert again.channels == replica.channels


def test_the_answer_to_a_send_may_come_before_the_entries_that_are_before_it() -> None:
    replica = Replica()
    channel = {"id": "chat", "lastSeq": 0, "position": POSITION, "mutedUntil": None}
    lists: Json = {"messages": {"nodes": []}, "members": {"nodes": []}}
    replica.put("chat", {**channel, "unreadCount": 0, **lists})

    replica.put_sent(message(2, channelId="chat"))
    for seq in (1, 2):
        event = {"__typename": "MessageAdded", "channelId": "chat", "seq": seq}
        replica.apply({**event, "message": message(seq)})

    assert set(replica.channels["chat"]["messages"]) == {1, 2}


def test_unread_messages_of_older_pages_count_until_they_are_read() -> None:
    replica = Replica()
    channel = {"id": "chat", "lastSeq": 60, "position": POSITION, "mutedUntil": None}
    lists = {"messages": {"nodes": [message(59), message(60)]}, "members": {"nodes": []}}
    replica.put("chat", {**channel, "unreadCount": 60, **lists})

    replica.apply(
        {"__typename": "MessageAdded", "channelId": "chat", "seq": 61, "message": message(61)}
    )
    assert replica.channels["chat"]["unreadCount"] == 61

    read = {"position": {**POSITION, "deliveredSeq": 61, "readSeq": 40}, "mutedUntil": None}
    update = {"__typename": "ViewerChannelUpdated", "channelId": "chat", "lastSeq": 61}
    replica.apply({**update, **read, "unreadCount": 21})
    assert replica.channels["chat"]["unreadCount"] == 21

    read["position"] = {**POSITION, "deliveredSeq": 61, "readSeq": 60}
    replica.apply({**update, **read, "lastSeq": 60, "unreadCount": 0})
    assert replica.channels["chat"]["unreadCount"] == 1
