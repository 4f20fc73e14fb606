"""Describes settings beside the values they set: a field's variable, its bounds and its meaning.

A dataclass that can be set declares its fields with `variable`. `parley/configuration/variables.py`
fills it from an environment, and docs/settings.md is printed from it, so each setting is written
once. Nothing here reads the environment.

A reader makes a value of a variable's text. It raises ValueError with what the variable must be, as
the rest of a sentence that begins with its name.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

Value = TypeVar("Value")
Reader = Callable[[str], Any]
# The key of a field's `Variable` in its metadata.
VARIABLE = "variable"
SECRET_LENGTH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """What sets a field. `name`: None stands for PARLEY_ and the field's name. `other_name` counts
    where the first is not set. `shown`: the default in words, where its value says too little.
    """

    read: Reader
    meaning: str
    name: str | None = None
    other_name: str | None = None
    shown: str | None = None
    # Makes the value where the variable is not set; told whether this is development.
    unset: Callable[[bool], Any] | None = None
    # Whether development has another default.
    raised: bool = False


def variable(
    default: Value,
    read: Reader,
    meaning: str,
    *,
    name: str | None = None,
    other_name: str | None = None,
    shown: str | None = None,
    unset: Callable[[bool], Any] | None = None,
    raised: bool = False,
    secret: bool = False,
) -> Value:
    """Declare a field that a variable sets. What is `secret` is never in a `repr`."""
    described = Variable(
        read=read,
        meaning=meaning,
        name=name,
        other_name=other_name,
        shown=shown,
        unset=unset,
        raised=raised,
    )
    return field(default=default, repr=not secret, metadata={VARIABLE: described})


def read_text(text: str) -> str:
    """Take any text."""
    return text


def read_words(text: str) -> tuple[str, ...]:
    """Take words that are separated by spaces or commas."""
    return tuple(text.replace(",", " ").split())


def read_folder(text: str) -> Path:
    """Take a path, and make it absolute."""
    return Path(text).absolute()


def read_switch(text: str) -> bool:
    """Take 0 or 1."""
    if text not in ("0", "1"):
        raise ValueError(f"must be 0 or 1, not {text!r}.")
    return text == "1"


def read_networks(text: str) -> tuple[str, ...]:
    """Take IP addresses and networks."""
    for word in read_words(text):
        try:
            ipaddress.ip_network(word)
        except ValueError:
            raise ValueError(
                f"must be IP addresses or networks (10.0.0.0/8), which {word!r} is not."
            ) from None
    return read_words(text)


def read_secret(text: str) -> str:
    """Take a text that is long enough to be a secret."""
    if len(text) < SECRET_LENGTH:
        raise ValueError(f"must have at least {SECRET_LENGTH} characters.")
    return text


def whole(least: int, most: int) -> Reader:
    """Return the reader of a whole number between these bounds."""
    return _number(int, least, most)


def fraction(least: float, most: float) -> Reader:
    """Return the reader of a number between these bounds."""
    return _number(float, least, most)


def _number(kind: type[int] | type[float], least: float, most: float) -> Reader:
    def read(text: str) -> int | float:
        try:
            value = kind(text)
        except ValueError:
            raise ValueError(f"must be a number, not {text!r}.") from None
        if not least <= value <= most:
            raise ValueError(f"must be between {least:g} and {most:g}, not {text}.")
        return value

    return read


def one_of(first: str, second: str) -> Reader:
    """Return the reader of one of two words."""

    def read(text: str) -> str:
        if text not in (first, second):
            raise ValueError(f"must be {first!r} or {second!r}.")
        return text

    return read


def url(*schemes: str) -> Reader:
    """Return the reader of a URL that begins with one of these."""

    def read(text: str) -> str:
        if not text.startswith(schemes):
            raise ValueError(f"must begin with {' or '.join(schemes)}.")
        return text

    return read


def text_or_file(begins: str) -> Reader:
    """Return the reader of a text that begins so, which the variable holds or names the file of."""

    def read(text: str) -> str:
        if text.lstrip().startswith(begins):
            # Some set variables on one line only.
            return text.replace("\\n", "\n") if begins.startswith("-") else text
        try:
            return Path(text).read_text("utf-8")
        except (OSError, ValueError):
            raise ValueError(
                f"must be a text that begins with {begins}, or the path of a file with one."
            ) from None

    return read
