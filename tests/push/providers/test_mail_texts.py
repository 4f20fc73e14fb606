"""Names in mails: nothing in them becomes a link."""

import pytest

from workers.push.providers.mail_texts import unlink

NAMES = {
    "Free iPhones at evil.example": "Free iPhones at evil example",
    "https://evil.example/login?u=1": "https evil example/login?u=1",
    "HTTP:\\\\evil.example": "HTTP evil example",
    "javascript:alert(1)": "javascript alert(1)",
    "mailto:eve@evil.example": "mailto eve at evil example",
    "www.evil.example": "www evil example",
    "evil\u3002example": "evil example",
    "evil\uff0eexample": "evil example",
    "evil\uff61example": "evil example",
    "evil\u200d.example": "evil\u200d example",
    "eve\uff20evil.example": "eve at evil example",
    "https\uff1a\uff0f\uff0fevil.example": "https evil example",
    "Call +1 (900) 555-0123 now": "Call +1… now",
    "0900 12 34 56": "0…",
    "Two\r\nlines\u2028and\x85more": "Two lines and more",
    "Dr. Smith, 3.5 stars @ home: 24/7": "Dr. Smith, 3 5 stars @ home: 24/7",
    "Class of 2026": "Class of 2026",
    "Ann-Sophie O'Hara 🍎": "Ann-Sophie O'Hara 🍎",
}


@pytest.mark.parametrize(("name", "shown"), NAMES.items(), ids=ascii)
def test_are_shown_without_what_a_mail_program_makes_a_link_of(name: str, shown: str) -> None:
    assert unlink(name) == shown
