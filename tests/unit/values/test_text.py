"""Text: what it may hold, and how long it may be."""

import pytest

from models.refusals import Refused
from models.text import require_text


def test_text_is_kept_as_it_came() -> None:
    text = " one\r\n\ttwo \u202e👋 "
    assert require_text(text, "text", 20, allow_newlines=True) == text
    assert require_text("", "text", 20) == ""


def test_length_is_counted_in_code_points() -> None:
    assert require_text("👋" * 4096, "text", 4096)
    with pytest.raises(Refused, match="At most 4096 characters"):
        require_text("👋" * 4097, "text", 4096)


@pytest.mark.parametrize("text", ["a\x00", "\ud800", chr(0xDFFF), "a\x1b[31m", "\x9b"])
def test_text_with_controls_is_refused_also_where_newlines_are_allowed(text: str) -> None:
    with pytest.raises(Refused):
        require_text(text, "text", 100, allow_newlines=True)


@pytest.mark.parametrize("text", ["a\nb", "a\tb", ""])
def test_text_of_one_line_may_be_required_and_not_empty(text: str) -> None:
    with pytest.raises(Refused):
        require_text(text, "label", 100, min_length=1)
