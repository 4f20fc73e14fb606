"""Text from outside: what a name, a text and a number of characters may be. Lengths are counted in
code points.

What passes can be stored by PostgreSQL and printed as UTF-8: no NUL, no lone surrogate, no other
control character. Marks that reorder what stands beside them (bidi controls) may be in a text,
never in a name, where they could make one person look like another.
"""

import re
import unicodedata

from models.refusals import invalid

# Everything of category Cc, and lone surrogates; the second keeps tab, line feed and carriage
# return.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROLS_BUT_NEWLINES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# Unicode's Bidi_Control property, and the two line separators.
_REORDERING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")


def require_text(
    value: str, field: str, max_length: int, *, allow_newlines: bool = False, min_length: int = 0
) -> str:
    """The text as it came.

    Raises:
        Refused: INVALID_INPUT naming `field`: too long, too short, or with a control character.
    """
    if len(value) > max_length:
        raise invalid(f"At most {max_length} characters are allowed here.", field)
    if len(value) < min_length:
        raise invalid(
            "This must not be empty."
            if min_length == 1
            else f"At least {min_length} characters are needed here.",
            field,
        )
    if (_CONTROLS_BUT_NEWLINES if allow_newlines else _CONTROLS).search(value):
        raise invalid("Control characters and lone surrogates are not allowed here.", field)
    return value


def require_name(value: str, field: str, max_length: int) -> str:
    """A name of one line, without the white space around it: 1 to `max_length` characters, one of
    them visible.

    Raises:
        Refused: INVALID_INPUT naming `field`.
    """
    name = require_text(value.strip(), field, max_length, min_length=1)
    if _REORDERING.search(name):
        raise invalid("Characters that reorder text are not allowed in a name.", field)
    if not any(unicodedata.category(character)[0] in "LNPS" for character in name):
        raise invalid("A name needs a visible character.", field)
    return name


def remove_reordering(text: str) -> str:
    """Without the marks that reorder what stands beside them."""
    return _REORDERING.sub("", text)
