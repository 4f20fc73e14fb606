"""Reads JSON from outside: strict, and bounded before anything costly is done with it.

Strict: no NaN, no number past a double's range, no lone surrogate, no name twice in one object.
Bounded: a quarter of a megabyte of brackets would be 130,000 objects of ours, and 80 ms to make and
drop them; so brackets are counted in the raw bytes, and the parser sees only what is within bounds.
"""

import re
from typing import Any, NamedTuple

import orjson

MAX_DEPTH = 64
MAX_CONTAINERS = 20_000

# Every string of a text, and whether it is an object's key. One that does not end matches as well:
# where each quotation mark failed at the end of the text, its length would count squared.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"\s*+(:?)|\\?\Z)', re.DOTALL)
# A NUL cannot be written in JSON but so.
_ESCAPED_NUL = b"\\u0000"
_ESCAPE = b"\\u"


class Json(NamedTuple):
    """A JSON value, and whether a text in it may hold a NUL: `find_nul` says where."""

    value: Any
    may_hold_nul: bool


class BadJson(ValueError):
    """Says what is wrong with a JSON text; the end of a sentence that begins with its name."""


def parse_json(text: bytes) -> Json:
    """Return the value that the bytes hold.

    Raises:
        BadJson: it is not JSON, or has an object that names something twice, or too many objects
            and arrays (20,000), or too many within each other (64).
    """
    containers = text.count(b"[") + text.count(b"{")
    if containers > MAX_CONTAINERS:
        _require_few_containers(text)
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadJson("is not valid JSON in UTF-8.") from None
    # Nothing can be nested too deeply here; and what is written again as it came names nothing
    # twice. Most clients write JSON as orjson does (JSON.stringify does).
    if containers > MAX_DEPTH or orjson.dumps(value) != text:
        _require_strict(text, value)
    return Json(value, _ESCAPED_NUL in text)


def _require_strict(text: bytes, value: Any) -> None:
    keys, written = _count_keys(value)
    # A name that stands twice is once in the value, and its colon twice in the text. The regular
    # expression is asked only where colons may be written in another way, or something is wrong.
    sure = _ESCAPE not in text and text.count(b":") == keys + written
    if not sure and _STRING.findall(text).count(b":") != keys:
        raise BadJson("has an object that names something twice.")


def find_nul(variables: dict[str, Any]) -> str | None:
    """Return the place of a text with a NUL, as `input.texts.0`; None where there is none."""
    # Depth and size are bounded, so paths may be copied.
    pending: list[tuple[tuple[str | int, ...], Any]] = [((), variables)]
    while pending:
        path, container = pending.pop()
        entries = container.items() if container.__class__ is dict else enumerate(container)
        for name, entry in entries:
            if entry.__class__ is str:
                if "\0" in entry:
                    return ".".join(map(str, (*path, name)))
            elif entry.__class__ is dict or entry.__class__ is list:
                pending.append(((*path, name), entry))
    return None


def _require_few_containers(text: bytes) -> None:
    """Count again, without the brackets that are part of a text."""
    bare = _STRING.sub(b"", text)
    if bare.count(b"[") + bare.count(b"{") > MAX_CONTAINERS:
        raise BadJson(f"has more than {MAX_CONTAINERS} objects and arrays.")


def _count_keys(value: Any) -> tuple[int, int]:
    """Count the names in all objects, and the colons in all texts and names, level by level."""
    names = colons = 0
    level = [value] if value.__class__ is dict or value.__class__ is list else []
    for _ in range(MAX_DEPTH):
        if not level:
            return names, colons
        below: list[Any] = []
        for container in level:
            entries: Any = container
            if container.__class__ is dict:
                names += len(container)
                colons += "".join(container).count(":")
                entries = container.values()
            colons += sum([each.count(":") for each in entries if each.__class__ is str])
            below += [each for each in entries if each.__class__ is dict or each.__class__ is list]
        level = below
    if level:
        raise BadJson(f"has more than {MAX_DEPTH} objects and arrays within each other.")
    return names, colons
