"""The recorded streams, which reducers in all languages are tested against, and the reducer of
clients/python.
"""

import json
from copy import deepcopy
from typing import Any

import pytest
from graphql import build_schema

from clients.python.reducer import Json, Replica
from parley.schema import print_schema
from tests.kits.record import RECORDING, picture_of

RECORDED: dict[str, list[Json]] = json.loads(RECORDING.read_text())
# They say nothing about channels.
OF_STREAMS = {"InboxProgress", "LogAdvanced", "SessionExpiring", "TypingUpdated", "ViewerUpdated"}


def take(replica: Replica, step: Json) -> None:
    given: Any = deepcopy(step)
    if given.get("fresh"):
        replica.stale = False
    if "put" in given:
        replica.put(*given["put"])
    elif "putState" in given:
        replica.put_state(*given["putState"])
    else:
        replica.apply(given["event"])


@pytest.mark.parametrize("viewer", RECORDED)
def test_the_reducer_makes_of_each_step_what_was_recorded(viewer: str) -> None:
    replica = Replica()
    expected: dict[str, Json | None] = {}

    for number, step in enumerate(RECORDED[viewer]):
        take(replica, step)
        expected |= step["channels"]

        held = {id: picture_of(channel) for id, channel in replica.channels.items()}
        assert held == {id: each for id, each in expected.items() if each is not None}, number
        assert sorted(replica.missing) == step["missing"], number
        assert replica.stale == step["stale"], number


def test_every_kind_of_event_that_changes_a_channel_is_recorded() -> None:
    schema = build_schema(print_schema())
    events = {type_.name for type_ in schema.get_possible_types(schema.type_map["InboxEvent"])}  # type: ignore[arg-type]

    recorded = {
        step["event"]["__typename"]
        for steps in RECORDED.values()
        for step in steps
        if "event" in step
    }

    assert recorded - {"SomethingNew"} == events - OF_STREAMS
