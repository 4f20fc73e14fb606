"""Token buckets as one process keeps them, by a clock of the test's own."""

import dataclasses

import pytest

from models.limits.buckets import Buckets, OwnBuckets
from models.limits.limits import Budget, Limits
from models.refusals import RefusalCode, Refused

# 60 at once, in blocks of 10; one comes back each second.
LIMITS = dataclasses.replace(Limits(), sends_per_user=Budget(amount=60, window_s=60))
NAME = "sends_per_user"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Processes:
    """Some processes, and the place that they share."""

    def __init__(self, count: int, limits: Limits = LIMITS) -> None:
        self.clock = Clock()
        self.each = [Buckets(limits, now=self.clock) for _ in range(count)]
        self._shared = OwnBuckets(now=self.clock)

    def fill(self) -> None:
        """What the refill of each process does, until nobody lacks anything."""
        for buckets in self.each:
            while wanted := buckets.list_wanted(100):
                buckets.fill(wanted, self._shared.give(wanted))
                if all(want.tokens == 0 and want.owed == 0 for want in wanted):
                    break
                if not buckets.wanting.is_set():
                    break

    def passed(self, tries: int, *, owner: str = "ann", filled: bool = True) -> int:
        """Try in turn at each process, with a refill after each round; how many were let pass."""
        count = 0
        for _ in range(tries):
            count += sum(passes(buckets, owner) for buckets in self.each)
            if filled:
                self.fill()
        return count

    def passed_in(self, seconds: int) -> int:
        """Try three times each second at each process."""
        count = 0
        for _ in range(seconds):
            self.clock.now += 1
            count += self.passed(3)
        return count


def passes(buckets: Buckets, owner: str = "ann", amount: int = 1) -> bool:
    return refusal(buckets, owner, amount) is None


def refusal(buckets: Buckets, owner: str = "ann", amount: int = 1) -> Refused | None:
    try:
        buckets.take(NAME, owner, amount)
    except Refused as refused:
        return refused if refused.code is RefusalCode.RATE_LIMITED else None
    return None


def test_one_process_lets_pass_what_the_budget_says_and_one_block_at_most() -> None:
    assert 60 <= Processes(1).passed(200) <= 60 + 10


@pytest.mark.parametrize("count", [2, 5])
def test_processes_together_let_pass_the_budget_within_a_block_each(count: int) -> None:
    passed = Processes(count).passed(200)

    assert 60 - 10 * count <= passed <= 60 + 10 * count


def test_a_block_that_nobody_uses_is_all_that_others_lack() -> None:
    processes = Processes(2)
    used, other = processes.each
    assert passes(other)
    processes.fill()

    passed = 0
    for _ in range(200):
        passed += passes(used)
        processes.fill()

    assert 60 - 10 - 1 <= passed <= 60 + 10


def test_what_is_not_reported_yet_is_one_block_at_most() -> None:
    """A flood within one turn of the loop, before anything could be asked."""
    assert Processes(1).passed(1000, filled=False) == 10


def test_what_was_let_pass_too_much_is_lacking_afterwards() -> None:
    """Nine processes let a block pass on credit, in one moment; the debt is paid by waiting."""
    processes = Processes(9)
    assert processes.passed(20, filled=False) == 90
    processes.fill()
    too_much = 90 + processes.passed(20) - 60
    assert too_much > 0

    assert processes.passed_in(600) == pytest.approx(600 - too_much, abs=2 * 9)


def test_a_refusal_says_when_the_same_passes() -> None:
    processes = Processes(1)
    (buckets,) = processes.each
    processes.passed(200)
    refused = refusal(buckets, amount=3)
    assert refused is not None
    assert refused.retry_after_ms is not None
    assert 1000 < refused.retry_after_ms <= 3001

    processes.clock.now += refused.retry_after_ms / 1000 - 0.01
    assert not passes(buckets, amount=3)
    processes.clock.now += 0.01
    assert passes(buckets, amount=3)


def test_only_as_much_as_comes_back_passes_in_the_long_run() -> None:
    processes = Processes(2)
    processes.passed(200)

    assert processes.passed_in(600) == pytest.approx(600, abs=2)


def test_others_have_buckets_of_their_own() -> None:
    processes = Processes(1)
    processes.passed(200)

    assert processes.passed(10, owner="bob") == 10


def test_a_refused_amount_takes_nothing() -> None:
    processes = Processes(1)
    (buckets,) = processes.each
    assert passes(buckets)
    processes.fill()

    assert not passes(buckets, amount=61)
    assert passes(buckets, amount=50)


def test_more_than_a_block_passes_at_once_if_it_is_there() -> None:
    processes = Processes(1)
    (buckets,) = processes.each

    assert passes(buckets, amount=40)
    processes.fill()
    assert not passes(buckets, amount=40)


def test_nothing_passes_a_budget_of_nothing() -> None:
    none = dataclasses.replace(Limits(), sends_per_user=Budget(amount=0, window_s=60))
    processes = Processes(1, none)

    assert processes.passed(3) == 0
    refused = refusal(processes.each[0])
    assert refused is not None
    assert refused.retry_after_ms == 2 * 60_000


def test_what_one_process_keeps_is_bounded() -> None:
    buckets = Buckets(LIMITS, kept=100)
    own = OwnBuckets(kept=100)

    for n in range(1000):
        assert passes(buckets, f"user {n}")
        wanted = buckets.list_wanted(10)
        buckets.fill(wanted, own.give(wanted))

    assert len(buckets) <= 101


def test_more_than_one_call_can_fill_goes_on_at_once() -> None:
    buckets, own = Buckets(LIMITS), OwnBuckets()
    for n in range(25):
        assert passes(buckets, f"user {n}", amount=5)

    calls: list[int] = []
    while not calls or buckets.urgent.is_set():
        wanted = buckets.list_wanted(10)
        calls.append(len(wanted))
        buckets.fill(wanted, own.give(wanted))

    assert calls == [10, 10, 5]


def test_what_was_used_already_is_taken_also_where_there_is_too_little() -> None:
    """And is paid before anything is given again."""
    processes = Processes(1)
    (one,) = processes.each
    assert passes(one)

    one.owe(NAME, "ann", 80)
    processes.fill()

    assert not passes(one)
    # 81 of 60 were taken: 22 s, until there is one to give.
    processes.clock.now += 15
    processes.fill()
    assert not passes(one)
    processes.clock.now += 15
    processes.fill()
    assert passes(one)


def test_of_somebody_new_it_is_taken_too() -> None:
    processes = Processes(1)
    (one,) = processes.each

    one.owe(NAME, "ann", 60)
    processes.fill()

    assert not passes(one)
    assert passes(one, "ben")
