"""Presence reads no wall clock: servers whose clocks are an hour apart agree on it.

Leases end by Valkey's clock, last seen is PostgreSQL's `now()` less what was measured.
"""

import ast

import pytest

from parley.supervision.part import CHECKOUT

WALL_CLOCKS = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today"}


@pytest.mark.parametrize(
    "path",
    [
        "models/users/presence.py",
        "models/users/relations.py",
        "subscriptions/presence/follower.py",
        "subscriptions/presence/holds.py",
        "subscriptions/presence/leases.py",
        "subscriptions/nodes/node.py",
        "subscriptions/presence/presence.py",
        "subscriptions/presence/watch.py",
        "subscriptions/nodes/registry.py",
    ],
)
def test_no_wall_clock_is_read(path: str) -> None:
    tree = ast.parse((CHECKOUT / path).read_text())
    read = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}

    assert not read & WALL_CLOCKS
