"""Texts that are kept by their hashes take a bounded part of memory."""

from sys import getsizeof

from parley.engine.persisted import (
    MAX_PERSISTED_BYTES,
    MAX_PERSISTED_TEXT,
    PersistedDocuments,
    hash_of,
)


def text_of(number: int) -> str:
    """Return the dearest text: one emoji makes each of its characters take four bytes."""
    return f"{{ viewer {{ id }} }} # {number} \N{GRINNING FACE}".ljust(MAX_PERSISTED_TEXT, "x")


def test_the_dearest_texts_fill_the_place_and_no_more() -> None:
    kept = PersistedDocuments(1000)
    texts = [text_of(number) for number in range(600)]
    for text in texts * 2:
        kept.keep(text, hash_of(text))

    assert len(kept) == MAX_PERSISTED_BYTES // getsizeof(texts[0])
    assert kept.find_text(None, hash_of(texts[-1])) == texts[-1]


def test_one_that_is_kept_is_counted_once() -> None:
    kept = PersistedDocuments(1000)
    first, often = text_of(0), text_of(1)
    kept.keep(first, hash_of(first))
    for _ in range(1000):
        kept.keep(often, hash_of(often))

    assert kept.find_text(None, hash_of(first)) == first


def test_longer_ones_are_not_kept() -> None:
    kept = PersistedDocuments(1000)
    text = text_of(0) + "x"
    kept.keep(text, hash_of(text))

    assert len(kept) == 0
