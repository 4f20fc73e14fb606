"""Names and types that strangers give, as headers."""

import re
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.media.headers import disposition_of, safe_name, served_type

# RFC 6266 with a quoted-string without escapes, and RFC 5987's ext-value.
HEADER = re.compile(
    r"attachment; filename=\"([ !#-\[\]-~]+)\"; "
    r"filename\*=UTF-8''((?:[A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-F]{2})+)"
)
NAMES = st.text(max_size=300) | st.text("ab. \"'\\/;%\r\n\0\u202e\u200f\ud800ü😀", max_size=100)


@given(NAMES)
@example('a"; filename="b')
@example("a\r\nSet-Cookie: b")
@example("%22%0d%0a")
@example("\u202efdp.exe")
@example("../../etc/passwd")
@example("(a'*)")
@example("ü" * 300 + ".pdf")
@example("\ud800")
@example("")
def test_any_name_is_one_header_that_says_its_safe_form(name: str) -> None:
    match = HEADER.fullmatch(disposition_of("application/pdf", name))

    assert match is not None
    assert unquote(match[2], errors="strict") == safe_name(name)
    assert len(match[1]) == len(safe_name(name))


@given(NAMES)
def test_a_safe_name_is_a_name_only(name: str) -> None:
    safe = safe_name(name)

    assert safe == safe_name(safe)
    assert 0 < len(safe.encode()) <= 200
    assert not set(safe) & set('/\\:*?"<>|')
    assert {unicodedata.category(char) for char in safe}.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})
    assert safe.strip(". ") == safe


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Bericht 2026 (final).pdf", "Bericht 2026 (final).pdf"),
        ("résumé 履歴書.docx", "résumé 履歴書.docx"),
        ("\u202efdp.exe", "fdp.exe"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\a.txt", "C__a.txt"),
        (" .hidden. ", "hidden"),
        ("a\tb\nc", "abc"),
        ("\u202e\0", "file"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
        ("é" * 150, "é" * 100),
    ],
)
def test_names_are_kept_as_far_as_they_are_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html",
        "text/javascript",
        "application/xhtml+xml",
        "image/svg+xml",
        "image/x-svg",
        "IMAGE/SVG+XML",
        "image/png; charset=utf-8",
        "image/png\r\nX-Other: 1",
        "image/png\n",
        "application/pdf",
        "multipart/x-mixed-replace",
        "",
    ],
)
def test_what_a_browser_could_run_is_downloaded_without_a_type(content_type: str) -> None:
    assert served_type(content_type) == "application/octet-stream"
    assert disposition_of(content_type, None) == "attachment"


@pytest.mark.parametrize(
    "content_type",
    ["image/jpeg", "image/webp", "image/vnd.ms-photo", "video/mp4", 'audio/ogg; codecs="opus"'],
)
def test_pictures_sound_and_video_are_shown_in_place(content_type: str) -> None:
    assert served_type(content_type) == content_type
    assert disposition_of(content_type, None) == "inline"
