"""Names of users, groups, devices and files: one line, in which every character is visible.

What cannot be seen (or only moves what stands beside it) could make one name look like another, or
like none. Some of it is part of how names are written, and is allowed just there: joiners between
letters, and what composes an emoji. Which characters those are is Unicode's to say, by properties.
"""

import unicodedata

import regex

from models.refusals import Refused, invalid
from models.text import require_length

# Fonts leave these blank, though by their properties they are letters and symbols: BRAILLE PATTERN
# BLANK, MUSICAL SYMBOL NULL NOTEHEAD, KHITAN SMALL SCRIPT FILLER.
_BLANK = r"\u2800\U0001d159\U00016fe4"
_IGNORABLE = r"\p{Default_Ignorable_Code_Point}"
_LETTER = rf"[[\p{{L}}\p{{M}}]--[{_IGNORABLE}{_BLANK}]]"

_HIDDEN = regex.compile(
    rf"[[{_IGNORABLE}\p{{Cf}}\p{{Cc}}\p{{Cs}}\p{{Zl}}\p{{Zp}}{_BLANK}]"
    r"--\p{Prepended_Concatenation_Mark}]",
    regex.VERSION1,
)
_VISIBLE = regex.compile(
    rf"[[\p{{L}}\p{{N}}\p{{P}}\p{{S}}]--[{_IGNORABLE}{_BLANK}]]", regex.VERSION1
)
# Where what cannot be seen belongs to what can.
_COMPOSING = regex.compile(
    rf"""
    # Joiners: between letters, and after a virama, where a word may end with one.
    (?<={_LETTER}) [\u200c\u200d] (?={_LETTER})
    | (?<=\p{{Canonical_Combining_Class=Virama}}) [\u200c\u200d]
    # Emoji: joined to each other, shown as text or picture, as keycaps, and flags of regions.
    | (?<=[\p{{Extended_Pictographic}}\p{{Emoji_Modifier}}\ufe0f]) \u200d
      (?=\p{{Extended_Pictographic}})
    | (?<=\p{{Extended_Pictographic}}) [\ufe0e\ufe0f]
    | (?<=[0-9#*]) \ufe0f (?=\u20e3)
    | (?<=\U0001f3f4) [\U000e0030-\U000e0039\U000e0061-\U000e007a]{{3,6}} \U000e007f
    """,
    regex.VERSION1 | regex.VERBOSE,
)
_JOINERS = "\u200c\u200d"


def require_name(value: str, field: str, max_length: int) -> str:
    """Return the name without white space around it: 1 to `max_length` characters, all visible.

    Raises:
        Refused: INVALID_INPUT naming `field`, and the first character that is not allowed.
    """
    name = value.strip()
    require_length(name, field, max_length, 1)
    for place in _list_hidden(name):
        raise _refusal(name, place, field)
    return _require_visible(name, field)


def remove_hidden(value: str, field: str) -> str:
    """Return a name that comes from elsewhere, as a file's does, without its invisible characters.

    Raises:
        Refused: INVALID_INPUT naming `field` where nothing is left.
    """
    hidden = set(_list_hidden(value))
    seen = "".join(each for place, each in enumerate(value) if place not in hidden)
    return _require_visible(seen.strip(), field)


def _list_hidden(name: str) -> list[int]:
    """Return the places of the invisible characters that are not part of a letter or an emoji."""
    composing = {
        place for found in _COMPOSING.finditer(name) for place in range(found.start(), found.end())
    }
    hidden = (found.start() for found in _HIDDEN.finditer(name))
    return [place for place in hidden if place not in composing]


def _require_visible(name: str, field: str) -> str:
    if not _VISIBLE.search(name):
        raise invalid("A name needs a visible character.", field)
    return name


def _refusal(name: str, place: int, field: str) -> Refused:
    character = name[place]
    called = f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()
    where = f"Character {place + 1} of the name is {called}"
    if character in _JOINERS:
        return invalid(f"{where}, which is allowed only between letters and in emoji.", field)
    return invalid(f"{where}, which cannot be seen; leave it out.", field)
