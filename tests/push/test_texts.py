"""What a push says: one line, at most 120 characters, nothing hidden, no character torn."""

from datetime import UTC, datetime

import pytest

from models.channel_kinds import ChannelKind
from models.messages.messages import MessageKind
from models.push.facts import Facts, Unread
from models.push.settings import PushPreview
from workers.push.cutting import cut
from workers.push.texts import MOST_CHARACTERS, clean, title_and_body

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
FLAG = "\U0001f1e9\U0001f1ea"


def facts(kind: ChannelKind, group_name: str | None = None) -> Facts:
    return Facts(kind, group_name, 1, 0, False, False, False, None, None)


def message(text: str | None, kind: MessageKind = MessageKind.TEXT) -> Unread:
    return Unread(1, kind, "a" * 32, text, datetime.now(UTC), None)


def test_a_short_text_is_left_as_it_is() -> None:
    assert clean("Hi, Bob! \u4f60\u597d") == "Hi, Bob! \u4f60\u597d"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("one\r\ntwo\tthree\u2028four", "one two three four"),
        ("a\x00b\x1b[31mc\x7fd\x9be", "ab[31mcde"),
        ("abc\u202etxt.exe\u2066\u2069\u200f", "abctxt.exe"),
        ("\ufeffa\ud800b", "ab"),
        (" \u200e \n ", ""),
    ],
)
def test_what_cannot_be_seen_is_taken_out(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_joiners_within_a_character_stay() -> None:
    assert clean(FAMILY) == FAMILY


@pytest.mark.parametrize(
    "unit", ["x", FAMILY, FLAG, "e\u0301", "\U0001f44b\U0001f3fd", "\u1100\u1161"]
)
def test_no_character_is_torn(unit: str) -> None:
    text = clean("a" + unit * 200)

    assert len(text) <= MOST_CHARACTERS
    assert text.endswith("\u2026")
    assert (len(text) - 2) % len(unit) == 0
    assert len(text) > MOST_CHARACTERS - len(unit) - 1


def test_a_cut_that_fits_exactly_cuts_nothing() -> None:
    assert cut("x" * 120, 120) == "x" * 120


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (MessageKind.IMAGE, "Photo"),
        (MessageKind.AUDIO, "Voice message"),
        (MessageKind.LOCATION, "Location"),
    ],
)
def test_a_message_without_text_has_a_word(kind: MessageKind, word: str) -> None:
    chat = facts(ChannelKind.CHAT)

    assert title_and_body(PushPreview.MESSAGE, chat, message(None, kind), "Ann") == ("Ann", word)
    captioned = title_and_body(PushPreview.MESSAGE, chat, message("Look!", kind), "Ann")
    assert captioned == ("Ann", "Look!")


def test_a_group_is_named() -> None:
    group = facts(ChannelKind.GROUP, "Hikers\u202e")

    assert title_and_body(PushPreview.MESSAGE, group, message("Hi"), "Ann") == (
        "Ann @ Hikers",
        "Hi",
    )
