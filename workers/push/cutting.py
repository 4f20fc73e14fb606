"""Cut texts to a size, but never within a grapheme cluster: what is read as one character."""

from collections.abc import Callable

import regex

ELLIPSIS = "…"
_CLUSTER = regex.compile(r"\X")


def cut(text: str, most: int) -> str:
    """Return at most `most` code points of the text, with an ellipsis if something is missing."""
    return _cut(text, most, len)


def cut_to_bytes(text: str, max_bytes: int) -> str:
    """Return at most `max_bytes` bytes of UTF-8, with an ellipsis if something is missing."""
    return _cut(text.encode("utf-8", "replace").decode(), max_bytes, _count_bytes)


def _cut(text: str, most: int, size_of: Callable[[str], int]) -> str:
    if size_of(text) <= most:
        return text
    left = most - size_of(ELLIPSIS)
    if left < 0:
        return ""
    end = 0
    for cluster in _CLUSTER.finditer(text):
        left -= size_of(cluster.group())
        if left < 0:
            break
        end = cluster.end()
    return text[:end].rstrip() + ELLIPSIS


def _count_bytes(text: str) -> int:
    return len(text.encode())
