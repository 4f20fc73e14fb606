"""Grouping by node: what several users are to get, gathered so that each node is told once."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

Item = TypeVar("Item")


def group_by_node(
    items: Iterable[tuple[Item, Iterable[str]]],
    nodes_of: Mapping[str, Iterable[str]],
    *,
    own_id: str,
) -> dict[str, list[Item]]:
    """Return the items for each node, in their order, without this node's.

    `items` come with the ids of the users that are to get them, `nodes_of` says which nodes hold a
    user. A node gets an item once, however many of its users are to get it.
    """
    by_node: dict[str, list[Item]] = {}
    for item, user_ids in items:
        for node_id in {node for user in user_ids for node in nodes_of[user]} - {own_id}:
            by_node.setdefault(node_id, []).append(item)
    return by_node
