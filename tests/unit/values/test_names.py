"""Names: every character can be seen, and people can write theirs."""

import sys
import unicodedata

import pytest

from models.names import remove_hidden, require_name
from models.refusals import RefusalCode, Refused


@pytest.mark.parametrize(
    "name",
    [
        "Alice",
        "x" * 100,
        "7",
        "O’Brien",
        "Zoe\u0308",
        "نور",
        "李小龍",
        "می\u200cخواهم",
        # Words of Indic scripts end with a joiner, and have one before a mark.
        "മോഹന\u0d4d\u200d",
        "ශ\u0dca\u200dරී",
        "র\u200d\u09cdয",
        "👩\u200d👩\u200d👧",
        "👩🏽\u200d🚀",
        "🏳\ufe0f\u200d🌈",
        "❤\ufe0f",
        "1\ufe0f\u20e3",
        "🇫🇷",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    ],
)
def test_a_name_is_kept_as_it_is_written(name: str) -> None:
    assert require_name(name, "name", 100) == name


def test_the_space_around_a_name_is_taken_off() -> None:
    assert require_name("  Alice B. \t", "name", 100) == "Alice B."


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "\u0301", "\u00a0\u2003", "\ue000"])
def test_a_name_has_1_to_100_characters_and_one_that_is_visible(name: str) -> None:
    with pytest.raises(Refused) as caught:
        require_name(name, "device.name", 100)
    assert (caught.value.code, caught.value.field) == (RefusalCode.INVALID_INPUT, "device.name")


@pytest.mark.parametrize(
    ("character", "called"),
    [
        ("\u3164", "U+3164 HANGUL FILLER"),
        ("\u115f", "U+115F HANGUL CHOSEONG FILLER"),
        ("\u1160", "U+1160 HANGUL JUNGSEONG FILLER"),
        ("\uffa0", "U+FFA0 HALFWIDTH HANGUL FILLER"),
        ("\u2800", "U+2800 BRAILLE PATTERN BLANK"),
        ("\u200b", "U+200B ZERO WIDTH SPACE"),
        ("\u2060", "U+2060 WORD JOINER"),
        ("\u00ad", "U+00AD SOFT HYPHEN"),
        ("\u034f", "U+034F COMBINING GRAPHEME JOINER"),
        ("\ufe0f", "U+FE0F VARIATION SELECTOR-16"),
        ("\U000e0100", "U+E0100 VARIATION SELECTOR-17"),
        ("\U000e0041", "U+E0041 TAG LATIN CAPITAL LETTER A"),
        ("\u202e", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("\u2066", "U+2066 LEFT-TO-RIGHT ISOLATE"),
        ("\u2028", "U+2028 LINE SEPARATOR"),
        ("\u2065", "U+2065"),
        ("\x00", "U+0000"),
        ("\n", "U+000A"),
        ("\x85", "U+0085"),
        ("\ud800", "U+D800"),
    ],
)
def test_a_character_that_cannot_be_seen_is_refused_by_its_name(
    character: str, called: str
) -> None:
    for name in (f"Ali{character}ce", f"7{character}7"):
        with pytest.raises(Refused) as caught:
            require_name(name, "name", 100)
        place = name.index(character) + 1
        assert caught.value.reason == (
            f"Character {place} of the name is {called}, which cannot be seen; leave it out."
        )


@pytest.mark.parametrize(
    "name",
    [
        "\u200dAli",
        "Ali\u200d",
        "Ali\u200c",
        "A\u200d\u200dli",
        "7\u200d7",
        "👩\u200d",
        "\u200d👩",
        "👩\u200dAli",
        "❤\ufe0f\u200dAli",
        "ㅤ\u200dㅤ",
    ],
)
def test_a_joiner_is_refused_but_between_letters_and_in_emoji(name: str) -> None:
    with pytest.raises(Refused, match=r"^Character [0-9]+ of the name is U\+(200|3164)"):
        require_name(name, "name", 100)


def test_no_single_character_of_unicode_makes_a_name_that_looks_like_none() -> None:
    """What Python's own tables call a format, a control, a mark or a separator is no name."""
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        category = unicodedata.category(character)
        if category in ("Cc", "Cf") or category[0] in "MZ":
            with pytest.raises(Refused):
                require_name(character, "name", 1)


def test_what_cannot_be_seen_is_left_out_of_a_file_s_name() -> None:
    assert remove_hidden("photo\u202egnp\u3164.exe\u200b", "fileName") == "photognp.exe"
    assert (
        remove_hidden(" می\u200cخواهم 👩\u200d🚀.txt", "fileName") == "می\u200cخواهم 👩\u200d🚀.txt"
    )
    with pytest.raises(Refused, match="needs a visible character"):
        remove_hidden("\u3164\u200b", "fileName")
