"""Parts that start, and how long they are waited for."""

import sys
from collections.abc import Iterator, Sequence

import pytest

from parley.supervision.part import StartedParts, StartError, SupervisedPart
from tests.waiting import wait_until


class Waiting(SupervisedPart):
    """Runs, and does not work yet: it says so, or says nothing."""

    def __init__(self, *, responds: bool) -> None:
        super().__init__("waiting")
        self._responds = responds

    def command(self) -> Sequence[str]:
        return [sys.executable, "-c", "import signal; signal.pause()"]

    def answers(self) -> bool:
        return False

    def responds(self) -> bool:
        return self._responds


@pytest.fixture
def patient() -> Iterator[Waiting]:
    part = Waiting(responds=True)
    yield part
    part.kill()


@pytest.fixture
def silent() -> Iterator[Waiting]:
    part = Waiting(responds=False)
    yield part
    part.kill()


def test_a_part_that_says_that_it_waits_is_waited_for(patient: Waiting, silent: Waiting) -> None:
    """An API process whose PostgreSQL is elsewhere, and away, say."""
    waiting = StartedParts([patient], within_s=0)
    assert wait_until(lambda: patient.running)

    assert waiting.poll() == []
    with pytest.raises(StartError, match=r"waiting does not answer\."):
        StartedParts([silent], within_s=0).poll()
