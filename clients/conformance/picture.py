"""A picture: what one user sees. Takes the server's, and says how a client's differs from it."""

from typing import Any

from clients.conformance.people import Somebody

Json = dict[str, Any]

# Of each channel a client holds at least so many of the newest messages, if there are so many.
HELD_AT_LEAST = 50
CHANNELS = """query ($after: String) { channels(first: 20, after: $after) {
  nodes { id lastSeq unreadCount members(first: 100) { nodes { user { id } } } }
  pageInfo { hasNextPage endCursor } } }"""
MESSAGES = """query ($id: ID!, $after: String) { channel(id: $id) {
  messages(first: 100, after: $after) {
    nodes { id seq kind text clientMessageId editedAt deletedAt sender { id }
      reactions { emoji userIds } }
    pageInfo { hasNextPage endCursor } } } }"""
# Compared if the client gives them.
OPTIONAL = ("unreadCount", "memberIds")


async def take_picture(somebody: Somebody) -> list[Json]:
    """Return all channels of a user, as docs/conformance.md describes them."""
    return [
        {
            "id": channel["id"],
            "lastSeq": channel["lastSeq"],
            "unreadCount": channel["unreadCount"],
            "memberIds": sorted(m["user"]["id"] for m in channel["members"]["nodes"]),
            "messages": [message(node) for node in await _messages(somebody, channel["id"])],
        }
        for channel in await somebody.pages(CHANNELS, [])
    ]


async def _messages(somebody: Somebody, channel_id: str) -> list[Json]:
    return await somebody.pages(MESSAGES, ["messages"], id=channel_id)


def message(node: Json) -> Json:
    """Return a message of the API as a picture has it."""
    return {
        "id": node["id"],
        "seq": node["seq"],
        "kind": node["kind"],
        "text": node["text"],
        "clientMessageId": node["clientMessageId"],
        "senderId": None if node["sender"] is None else node["sender"]["id"],
        "edited": node["editedAt"] is not None,
        "deleted": node["deletedAt"] is not None,
        "reactions": [
            {"emoji": each["emoji"], "userIds": sorted(each["userIds"])}
            for each in node["reactions"]
        ],
    }


def differences(server: list[Json], client: Json) -> list[str]:
    """Return one sentence for each thing in which a client's picture is not the server's."""
    held = {channel["id"]: channel for channel in client["channels"]}
    found = [f"{draft['text']!r} is still in the outbox" for draft in client["outbox"]]
    found += [f"{id_} is shown, and the user is not in it" for id_ in held.keys() - ids(server)]
    if len(held) < len(client["channels"]):
        found.append("a channel is shown twice")
    for channel in server:
        if channel["id"] in held:
            found += _in_channel(channel, held[channel["id"]])
        else:
            found.append(f"{channel['id']} is missing")
    return found


def ids(channels: list[Json]) -> set[str]:
    return {channel["id"] for channel in channels}


def _in_channel(server: Json, client: Json) -> list[str]:
    where = f"in {server['id']}"
    found = [
        f"{where} {name} is {client[name]!r}, and {server[name]!r} at the server"
        for name in ("lastSeq", *(name for name in OPTIONAL if name in client))
        if client[name] != server[name]
    ]
    seqs = [each["seq"] for each in client["messages"]]
    if seqs != sorted(seqs):
        found.append(f"{where} messages are not in the order of seq: {seqs}")
    found += [f"{where} message {seq} is shown twice" for seq in set(seqs) if seqs.count(seq) > 1]
    return found + _in_messages(where, server["messages"], client["messages"])


def _in_messages(where: str, server: list[Json], client: list[Json]) -> list[str]:
    """The client may begin later than the server, but not so late, and then has all."""
    begins = min((each["seq"] for each in client), default=0)
    newest = {each["seq"] for each in server[-HELD_AT_LEAST:]}
    expected = {e["seq"]: e for e in server if e["seq"] >= begins or e["seq"] in newest}
    shown = {each["seq"]: each for each in client}
    missing = sorted(expected.keys() - shown.keys())
    found = [f"{where} message {seq} is missing" for seq in missing]
    for seq, each in shown.items():
        if seq not in expected:
            found.append(f"{where} message {seq} is shown, and the server has none")
            continue
        for name, value in expected[seq].items():
            if each.get(name) != value:
                wrong = f"{name} is {each.get(name)!r}, and {value!r} at the server"
                found.append(f"{where} message {seq} differs: {wrong}")
    return found
