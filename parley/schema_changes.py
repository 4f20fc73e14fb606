"""Compares the schema with those of past releases, and says what would break clients.

A change that breaks is accepted in two cases:

- something was removed that was marked `@deprecated` in each of the last two releases;
- a line of CHANGELOG.md, section "Unreleased", begins with `- BREAKS:` and names what changed in
  backticks: `Query.channels`, `SignInInput.requestSecret` or the name of a type.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

from graphql import GraphQLSchema, build_schema
from graphql.utilities import (
    BreakingChange,
    BreakingChangeType,
    find_breaking_changes,
    resolve_schema_coordinate,
)

REMOVALS = {
    BreakingChangeType.FIELD_REMOVED,
    BreakingChangeType.ARG_REMOVED,
    BreakingChangeType.VALUE_REMOVED_FROM_ENUM,
}
# In descriptions of changes: "Field Chat.messages changed type …", "Argument @defer(if:) was …".
_COORDINATE = re.compile(r"(?:@\w+|\w+\.\w+)(?:\(\w+:\))?")
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
ROOTS = {"Query", "Mutation", "Subscription"}


def list_breaks(schema: str, releases: Sequence[str], changelog: str) -> list[str]:
    """Return what breaks clients of the newest release, in its own words, without what is accepted.

    `releases`: the SDL of each release, the newest first; `changelog`: the text of CHANGELOG.md.
    """
    old = [build_schema(release) for release in releases[:2]]
    named = set(_named_as_breaking(changelog))
    return [
        change.description
        for change in find_breaking_changes(old[0], build_schema(schema))
        if not (_deprecated_long_enough(change, old) or named & _names(change, old[0]))
    ]


def read_releases(folder: Path) -> list[str]:
    """Return the SDL of all releases in `folder`, files like `0.2.0.graphql`, the newest first."""
    return [path.read_text() for path in sorted(folder.glob("*.graphql"), key=_order, reverse=True)]


def _order(path: Path) -> tuple[int, ...]:
    version = _VERSION.fullmatch(path.stem)
    if version is None:
        raise ValueError(f"{path} is not named after a version, such as 0.2.0.graphql")
    return tuple(map(int, version.groups()))


def _named_as_breaking(changelog: str) -> Iterable[str]:
    """Yield what stands in backticks in the lines that begin with BREAKS, of what is unreleased."""
    unreleased = changelog.partition("\n## Unreleased\n")[2].partition("\n## ")[0]
    for item in re.split(r"\n(?=- |\n|#)", unreleased):
        if item.lstrip("\n").startswith("- BREAKS:"):
            yield from re.findall(r"`(@?\w+(?:\.\w+)?(?:\(\w+:\))?)", item)


def _coordinate(change: BreakingChange) -> str:
    """Return which part of the schema changed: `Type`, `Type.field`, `Type.field(argument:)`."""
    found = _COORDINATE.search(change.description)
    return found[0] if found else change.description.removeprefix("Standard scalar ").split()[0]


def _names(change: BreakingChange, old: GraphQLSchema) -> set[str]:
    """Return by which names CHANGELOG.md may call the change: its coordinate, with or without the
    argument; that of an interface that declares the field; of a root's field its name alone.
    """
    owner, _, member = _coordinate(change).partition("(")[0].partition(".")
    if not member:
        return {owner}
    names = {_coordinate(change), f"{owner}.{member}"}
    names |= {f"{of.name}.{member}" for of in getattr(old.get_type(owner), "interfaces", ())}
    return names | {member} if owner in ROOTS else names


def _deprecated_long_enough(change: BreakingChange, releases: Sequence[GraphQLSchema]) -> bool:
    if change.type not in REMOVALS or len(releases) < 2:
        return False
    return all(_is_deprecated(_coordinate(change), release) for release in releases)


def _is_deprecated(coordinate: str, schema: GraphQLSchema) -> bool:
    """Tell whether what a coordinate names is marked, or the field that an argument belongs to."""
    if schema.get_type(coordinate.partition(".")[0]) is None:
        return False
    parts = (coordinate, coordinate.partition("(")[0])
    resolved = [resolve_schema_coordinate(schema, part) for part in parts]
    return any(_reason(found) is not None for found in resolved)


def _reason(found: object) -> str | None:
    """Return why it is deprecated; a resolved element holds what it found beside its parents."""
    for name in ("field_argument", "input_field", "enum_value", "field"):
        part = getattr(found, name, None)
        if part is not None:
            return cast("str | None", part.deprecation_reason)
    return None
