"""A process's parts: closed in reverse, also those that were open when another failed to start."""

import pytest

from parley.parts import Parts


class Part:
    """Notes in `closed` that it was closed; fails where it is told to."""

    def __init__(self, name: str, closed: list[str], fails_at: str = "") -> None:
        self._name = name
        self._closed = closed
        self._fails_at = fails_at

    def start(self) -> None:
        if self._fails_at == "start":
            raise ValueError("it cannot start")

    async def close(self) -> None:
        self._closed.append(self._name)
        if self._fails_at == "close":
            raise ValueError("it cannot close")


async def open_three(closed: list[str], fails_at: str = "") -> None:
    """Of which the second may fail."""
    async with Parts() as parts:
        parts.start(Part("one", closed))
        parts.start(Part("two", closed, fails_at))
        parts.start(Part("three", closed))
        assert closed == []


async def test_parts_are_closed_in_reverse() -> None:
    closed: list[str] = []

    await open_three(closed)

    assert closed == ["three", "two", "one"]


async def test_a_part_that_does_not_start_leaves_nothing_open() -> None:
    closed: list[str] = []

    with pytest.raises(ValueError, match="it cannot start"):
        await open_three(closed, "start")

    assert closed == ["two", "one"]


async def test_a_part_that_does_not_close_keeps_no_other_open() -> None:
    closed: list[str] = []

    with pytest.raises(ValueError, match="it cannot close"):
        await open_three(closed, "close")

    assert closed == ["three", "two", "one"]
