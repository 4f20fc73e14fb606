"""Prints docs/settings.md from the fields that variables set."""

from collections.abc import Iterator
from typing import Any

from models.limits.limits import Limits
from models.limits.rate_limits import RateLimits
from parley.configuration.media_settings import MediaSettings
from parley.configuration.variables import Declared, list_variables
from parley.settings import Settings
from workers.push.providers.settings import ProviderSettings

HEAD = """# Settings

Settings are environment variables. Every process reads them once, when it starts. If one is wrong
or missing, the process does not start, and prints a sentence for each that names the variable and
says what it must be. A service that `DATABASE_URL`, `REDIS_URL` or `S3_ENDPOINT_URL` names is used
as it is, and not embedded.

This page is printed from the code: `make settings`.
"""
LIMITS = """
Limits are settings, too. Clients read the public ones with the query `limits`. `development` raises
those marked †.
"""
BUDGETS = """
A budget is `count/seconds`: `5/3600` allows 5 in any period of 3,600 seconds. `development` raises
those marked †. Those marked ‡ are counted apart for networks from which a number's owner has signed
in, so that strangers cannot use them up.
"""
# Each part: its heading, its first sentences, the heading of its last column, and the class whose
# fields it lists.
PARTS: tuple[tuple[str, str, str, type[Any]], ...] = (
    ("Processes and services", "", "meaning", Settings),
    ("Storage and media", "", "meaning", MediaSettings),
    ("Push", "", "meaning", ProviderSettings),
    ("Limits", LIMITS, "at most, unless said otherwise", Limits),
    ("Budgets", BUDGETS, "at most, unless said otherwise", RateLimits),
)


def print_settings() -> str:
    """Return the page: a table for each part, with a row for each variable."""
    parts = (
        f"\n## {heading}\n{text}\n| variable | default | {meaning} |\n|---|---|---|\n"
        + "".join(f"{_row(declared)}\n" for declared in _list_own(kind))
        for heading, text, meaning, kind in PARTS
    )
    return HEAD + "".join(parts)


def _list_own(kind: type[Any]) -> Iterator[Declared]:
    """Iterate over the variables of a class that it has not from another."""
    return (each for each in list_variables(kind) if each.field in kind.__annotations__)


def _row(declared: Declared) -> str:
    mark = " †" if declared.variable.raised else ""
    cells = [f"`{declared.name}`{mark}", _show(declared), declared.variable.meaning]
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells)


def _show(declared: Declared) -> str:
    """Return the default as the table has it; nothing for what is not set."""
    default = declared.default
    if declared.variable.shown is not None:
        return declared.variable.shown
    if default is None or default in ("", ()):
        return ""
    return f"`{int(default) if isinstance(default, bool) else default}`"
