"""Text of clients: which characters it may hold, and how many. Lengths are in code points.

What passes can be stored by PostgreSQL and printed as UTF-8: no NUL, no lone surrogate, no other
control character. Names may hold less (models/names.py).
"""

import re

from models.refusals import invalid

# The length of a one-time code.
CODE_DIGITS = 6
# Everything of category Cc, and lone surrogates; the second keeps tab, line feed and carriage
# return.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROLS_BUT_NEWLINES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def require_text(
    value: str, field: str, max_length: int, *, allow_newlines: bool = False, min_length: int = 0
) -> str:
    """Return the text unchanged, if it is allowed.

    Raises:
        Refused: INVALID_INPUT naming `field`: too long, too short, or with a control character.
    """
    require_length(value, field, max_length, min_length)
    if (_CONTROLS_BUT_NEWLINES if allow_newlines else _CONTROLS).search(value):
        raise invalid("Control characters and lone surrogates are not allowed here.", field)
    return value


def require_length(value: str, field: str, max_length: int, min_length: int) -> None:
    """Refuse text of a wrong length.

    Raises:
        Refused: INVALID_INPUT naming `field`.
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


def require_code_shape(code: str) -> None:
    """Refuse text that cannot be a one-time code, before it costs a try.

    Raises:
        Refused: INVALID_INPUT.
    """
    if len(code) != CODE_DIGITS or not (code.isascii() and code.isdigit()):
        raise invalid(f"A code has {CODE_DIGITS} digits.", "code")
