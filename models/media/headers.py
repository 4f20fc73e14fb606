"""Headers with which storage serves a file: a content type that no browser runs, and a file name
that cannot break a header.

Pictures, sound and video may be shown in place. Everything else is downloaded, without a content
type that a browser could take for a page, a script or a style.
"""

import re
import unicodedata
from functools import lru_cache
from urllib.parse import quote

# Of these families a browser runs nothing but SVG, which is XML. A type may add its codecs.
_HARMLESS = re.compile(
    r"(?:image|audio|video)/(?![a-z0-9.-]*(?:svg|xml))[a-z0-9][a-z0-9.-]{0,63}"
    r"(?:; ?codecs=(?:[\w.]{1,64}|\"[\w., ]{1,64}\"))?",
    re.ASCII,
)
UNKNOWN_TYPE = "application/octet-stream"
# RFC 5987: what may stand as itself in an extended value, letters and digits not named.
_ATTRIBUTE = "!#$&+-.^_`|~"
# File systems take 255 bytes; some of those who save add to it.
NAME_BYTES = 200
_NO_NAME = "file"


def is_harmless(content_type: str) -> bool:
    """Return whether a browser may show this content type in place."""
    return _HARMLESS.fullmatch(content_type) is not None


def served_type(content_type: str) -> str:
    """Return the content type under which a file is served."""
    return content_type if is_harmless(content_type) else UNKNOWN_TYPE


@lru_cache(maxsize=1024)
def disposition_of(content_type: str, file_name: str | None) -> str:
    """Return the Content-Disposition (RFC 6266): `inline` for a harmless type without a file name,
    else `attachment`.
    """
    if file_name is None:
        return "inline" if is_harmless(content_type) else "attachment"
    name = safe_name(file_name)
    # A percent sign in the plain form is read in different ways; quotes the safe name has none.
    plain = re.sub(r"[^ -~]|%", "_", name)
    encoded = quote(name, safe=_ATTRIBUTE)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"


def safe_name(file_name: str) -> str:
    """Return the file name without folders and without invisible or direction-changing characters.
    It has at most `NAME_BYTES` of UTF-8, keeps its ending, and is never empty.
    """
    kept = "".join(
        "_" if char in '/\\:*?"<>|' else char
        for char in unicodedata.normalize("NFC", file_name)
        if unicodedata.category(char) not in _INVISIBLE
    )
    name = " ".join(kept.split()).strip(". ")
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending.encode()) > 20:
        stem, ending = name, ""
    room = NAME_BYTES - len((dot + ending).encode() if ending else b"")
    if len(stem.encode()) > room:
        stem = stem.encode()[:room].decode(errors="ignore").rstrip(". ")
    return (f"{stem}.{ending}" if ending else stem) or _NO_NAME


# Control, format (among them what turns the reading direction), lone surrogates, and the separators
# of lines and paragraphs.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
