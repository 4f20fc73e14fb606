"""Documents that ask for every field of live events: all that is marked as shared together, and
each field by itself.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
)

from models.log.events import ChannelUpdated, LogAdvanced, MessageAdded, MessageUpdated
from parley.engine.facts import SchemaFacts
from parley.schema import make_schema

FACTS = SchemaFacts(make_schema())
SCHEMA: GraphQLSchema = FACTS.schema
LOG_EVENTS = (MessageAdded, MessageUpdated, ChannelUpdated, LogAdvanced)
NAMES = [event.__name__ for event in LOG_EVENTS]
EVERY_LEVEL = 100
# Who is online is each node's own look; that it is not marked is asserted.
ELSEWHERE = {("User", "presence")}


def fields_of(name: str) -> dict[str, GraphQLField]:
    type_ = SCHEMA.type_map[name]
    assert isinstance(type_, GraphQLObjectType)
    fields: dict[str, GraphQLField] = type_.fields
    return fields


def possible(type_: GraphQLNamedType) -> list[str]:
    if is_abstract_type(type_):
        return [each.name for each in SCHEMA.get_possible_types(type_)]
    return [type_.name]


Path = tuple[str, ...]


def list_paths(names: Sequence[str], most_levels: int) -> Iterator[tuple[bool, Path]]:
    """The shortest selection that leads to each field from one of these events, once above and once
    below the original of a reply; and whether all on the way are marked. Fields below `most_levels`
    others are left out.
    """
    pending = deque((name, True, False, (f"... on {name}",), 1) for name in names)
    seen: set[tuple[str, str, bool]] = set()
    while pending:
        type_name, marked, inner, way, level = pending.popleft()
        for name, field in fields_of(type_name).items():
            place = (type_name, name)
            if (*place, inner) in seen or place in ELSEWHERE:
                continue
            seen.add((*place, inner))
            mark = FACTS.shared.get(place, False)
            now_marked = marked and bool(mark) and not (inner and mark == "outermost")
            below = inner or place == ("Message", "replyTo")
            type_ = get_named_type(field.type)
            if is_leaf_type(type_):
                yield now_marked, (*way, name)
                continue
            for each in possible(type_) if level < most_levels else ():
                inside = (f"... on {each}",) if is_abstract_type(type_) else ()
                pending.append((each, now_marked, below, (*way, name, *inside), level + 1))


def make_documents(names: Sequence[str], *, most_levels: int = EVERY_LEVEL) -> list[str]:
    """All that is marked together, then each field by itself."""
    paths = list(list_paths(names, most_levels))
    selections = [[path for marked, path in paths if marked], *([path] for _, path in paths)]
    return [
        f"subscription ($after: [PositionInput!]) {{ inbox(after: $after) {_merged(selected)} }}"
        for selected in selections
    ]


def _merged(paths: list[Path]) -> str:
    tree: dict[str, Any] = {"__typename": {}, "... on LogEvent": {"channelId": {}, "seq": {}}}
    for path in paths:
        of_a_message = path[:2] == ("... on MessageAdded", "message")
        # What is asked of one event's message is asked of every event's.
        events = NAMES[:3] if of_a_message else [path[0].removeprefix("... on ")]
        for event in events:
            here = tree
            for name in (f"... on {event}", *path[1:]):
                here = here.setdefault(name, {})
    return _printed(tree)


def _printed(tree: dict[str, Any]) -> str:
    parts = (f"{name} {_printed(below)}" if below else name for name, below in tree.items())
    return "{ " + " ".join(parts) + " }"
