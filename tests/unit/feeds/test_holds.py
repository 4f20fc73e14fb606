"""Who is held online by a node, and until when; without I/O."""

from subscriptions.presence.holds import Holds

GRACE_S, IDLE_S = 6.0, 30.0


def holds() -> Holds:
    return Holds(grace_s=GRACE_S, idle_s=IDLE_S)


def test_a_user_is_held_while_any_stream_is_open_however_long() -> None:
    held = holds()
    assert held.add_stream("ada", 0)
    assert not held.add_stream("ada", 1)

    assert not held.end_stream("ada", 2)

    assert held.list_ended(1e6) == []
    assert held.seen_at("ada", 1e6) == 1e6


def test_the_last_stream_s_end_begins_the_grace() -> None:
    held = holds()
    held.add_stream("ada", 0)

    assert held.end_stream("ada", 10)

    assert held.list_ended(10 + GRACE_S - 0.1) == []
    assert held.list_ended(10 + GRACE_S) == ["ada"]
    assert held.seen_at("ada", 16) == 10


def test_who_comes_back_within_the_grace_was_never_away() -> None:
    held = holds()
    held.add_stream("ada", 0)
    held.end_stream("ada", 10)

    assert not held.add_stream("ada", 12)

    assert held.list_ended(1e6) == []


def test_a_request_holds_for_the_idle_time() -> None:
    held = holds()
    assert held.touch("ada", 0)
    assert not held.touch("ada", 10)

    assert held.list_ended(10 + IDLE_S - 0.1) == []
    assert held.list_ended(10 + IDLE_S) == ["ada"]
    assert held.seen_at("ada", 40) == 10


def test_a_stream_s_end_does_not_shorten_what_a_request_holds() -> None:
    held = holds()
    held.touch("ada", 0)
    held.add_stream("ada", 1)
    held.end_stream("ada", 2)

    assert held.list_ended(IDLE_S - 0.1) == []
    assert held.list_ended(IDLE_S) == ["ada"]
    assert held.seen_at("ada", IDLE_S) == 2


def test_who_came_back_while_they_were_being_let_go_stays() -> None:
    """What is asked of PostgreSQL and Valkey in between takes time."""
    held = holds()
    for user in ("ada", "bea", "cleo"):
        held.touch(user, 0)
    ended = held.list_ended(IDLE_S)
    held.add_stream("ada", IDLE_S)
    held.touch("bea", IDLE_S)

    assert held.drop_ended(ended, IDLE_S + 1) == ["cleo"]

    assert sorted(held.users()) == ["ada", "bea"]
    assert "cleo" not in held


def test_what_is_left_of_a_hold() -> None:
    held = holds()
    held.add_stream("streams", 0)
    held.touch("asked", 0)
    held.add_stream("left", 0)
    held.end_stream("left", 5)

    assert held.left_s("streams", 100) == GRACE_S
    assert held.left_s("asked", 10) == IDLE_S - 10
    assert held.left_s("left", 6) == GRACE_S - 1
