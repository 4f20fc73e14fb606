"""The reference reducer: a client's copy of its channels, kept true by the events of `inbox`.

Snapshot + events = fresh snapshot: `put` what FETCH gives of each channel of LIST, follow FOLLOW
from `positions`, hand every event to `apply`, and the copy equals what FETCH would give now. After
InboxReady, `put_state` what is in no log: it is not replayed.
"""

from typing import Any

Json = dict[str, Any]

POSITION = "position { userId deliveredSeq readSeq }"
CHANNEL = f"""
fragment C on Channel {{
  __typename id kind createdAt lastSeq mutedUntil unreadCount {POSITION}
  members(first: 100) {{ nodes {{ id role joinedSeq user {{ id }} {POSITION} }} }}
  ... on Chat {{ peer {{ id }} }}
  ... on Group {{ name description avatar {{ id }} memberCount seatsLeft viewerRole }}
}}
"""
MESSAGE = """
fragment M on Message {
  id channelId seq kind text clientMessageId sentAt editedAt deletedAt mentions status
  sender { id } replyTo { id } reactions { emoji count userIds }
  location { latitude longitude label } media { id kind state width height placeholder }
  system { kind value actor { id } subjects { id } }
}
"""
LIST = """query List($after: String) { channels(first: 100, after: $after) {
  nodes { id } pageInfo { hasNextPage endCursor } } }"""
FETCH = f"""{CHANNEL}{MESSAGE}
query Fetch($id: ID!) {{ channel(id: $id) {{ ...C messages(last: 50) {{ nodes {{ ...M }} }} }} }}
"""
STATE = f"""
query State($id: ID!) {{ channel(id: $id) {{
  lastSeq mutedUntil unreadCount {POSITION}
  members(first: 100) {{ nodes {{ id {POSITION} }} }} }} }}
"""
STATES = f"""
query States($after: String) {{ channels(first: 20, after: $after) {{
  nodes {{ id lastSeq mutedUntil unreadCount {POSITION}
    members(first: 100) {{ nodes {{ id {POSITION} }} }} }}
  pageInfo {{ hasNextPage endCursor }} }} }}
"""
FOLLOW = f"""{CHANNEL}{MESSAGE}
subscription Follow($after: [PositionInput!], $streamId: ID, $heartbeatSeconds: Int) {{
  inbox(after: $after, streamId: $streamId, heartbeatSeconds: $heartbeatSeconds) {{
  __typename
  ... on MessageAdded {{ channelId seq message {{ ...M }} }}
  ... on MessageUpdated {{ channelId seq message {{ ...M }} }}
  ... on ChannelUpdated {{ channelId seq message {{ ...M }} channel {{ ...C }} }}
  ... on LogEvent {{ channelId seq }}
  ... on ReceiptUpdated {{ channelId userId deliveredSeq readSeq }}
  ... on ViewerChannelUpdated {{ channelId unreadCount lastSeq mutedUntil {POSITION} }}
  ... on ResyncRequired {{ channelId }}
  ... on InboxProgress {{ cursor }}
  ... on InboxReady {{ cursor }}
}} }}
"""
# Positions that `after` takes; with a streamId, the others begin where they were acknowledged.
FOLLOW_AT_MOST = 1000
# As far as the server counts.
UNREAD_AT_MOST = 1000
OWN = ("position", "mutedUntil", "unreadCount")


class Replica:
    """Channels by id, each as FETCH gives it, with members and messages by id and by seq.

    `missing`: channels to fetch. `stale`: fetch what is in no log (STATE or STATES, and what else
    is shown: profile, privacy, blocks, devices). `changed`: channels to store again.
    """

    def __init__(self) -> None:
        self.channels: dict[str, Json] = {}
        self.missing: set[str] = set()
        self.stale = False
        self.changed: set[str] = set()
        # Unread messages of pages that are not held, by channel.
        self._unread_before: dict[str, int] = {}

    def put(self, channel_id: str, channel: Json | None) -> None:
        """What FETCH gave; older than what is held, it changes nothing."""
        self.missing.discard(channel_id)
        self.changed.add(channel_id)
        held = self.channels.get(channel_id)
        if channel is not None and (held is None or held["lastSeq"] <= channel["lastSeq"]):
            messages = {m["seq"]: m for m in channel["messages"]["nodes"]}
            members = {m["id"]: m for m in channel["members"]["nodes"]}
            held = {**channel, "messages": messages, "members": members}
            self.channels[channel_id] = held
            self._unread_before[channel_id] = max(0, channel["unreadCount"] - count_unread(held))

    def put_state(self, channel_id: str, state: Json | None) -> None:
        """What STATE gave."""
        channel = self.channels.get(channel_id)
        if channel is None or state is None:
            return
        for member in state["members"]["nodes"]:
            if member["id"] in channel["members"]:
                channel["members"][member["id"]]["position"] = member["position"]
        self.changed.add(channel_id)
        self._take_state(channel, state)

    def put_sent(self, message: Json) -> None:
        """What the answer to a send gave. The entry itself still comes, and moves the position."""
        channel = self.channels.get(message["channelId"])
        if channel is not None and message["seq"] > channel["lastSeq"]:
            channel["messages"][message["seq"]] = message
            self.changed.add(channel["id"])
            self._derive(channel)

    def row(self, channel_id: str) -> Json | None:
        """Return what `put` takes, to be stored; None: the channel is not held."""
        channel = self.channels.get(channel_id)
        if channel is None:
            return None
        lists = {name: {"nodes": list(channel[name].values())} for name in ("messages", "members")}
        return {**channel, **lists}

    def positions(self) -> list[Json]:
        """Where to follow from."""
        return [{"channelId": c["id"], "seq": c["lastSeq"]} for c in self.channels.values()]

    def apply(self, event: Json) -> None:
        if event["__typename"] in ("InboxReady", "ViewerUpdated"):
            self.stale = True
        channel = self.channels.get(event.get("channelId", ""))
        if event["__typename"] == "ResyncRequired" or (channel is None and "seq" in event):
            self._miss(event)
        elif channel is not None:
            self.changed.add(channel["id"])
            self._apply_to(channel, event)

    def _apply_to(self, channel: Json, event: Json) -> None:
        """What a later server tells in its own way does nothing, but that an entry of the log moves
        the position.
        """
        seq = event.get("seq", 0)
        if event["__typename"] == "ViewerChannelUpdated":
            self._take_state(channel, event)
        elif event["__typename"] == "ReceiptUpdated":
            self._take_receipt(channel, event)
        elif seq == channel["lastSeq"] + 1:
            self._take_entry(channel, event)
        elif seq > channel["lastSeq"]:
            # It never happens. If it did, the copy would miss something without a sign.
            self._miss(event)

    def _miss(self, event: Json) -> None:
        """Have the channel fetched. Who is taken out has nothing to fetch."""
        channel_id = event["channelId"]
        if event.get("channel", event) is not None:
            self.missing.add(channel_id)
        self.changed.add(channel_id)
        self.channels.pop(channel_id, None)

    def _take_receipt(self, channel: Json, event: Json) -> None:
        for member in channel["members"].values():
            if member["user"]["id"] == event["userId"]:
                member["position"] = greater(member["position"], event)
        self._derive(channel)

    def _take_state(self, channel: Json, state: Json) -> None:
        channel["position"] = greater(channel["position"], state["position"])
        channel["mutedUntil"] = state["mutedUntil"]
        # Else it counts other messages than those that are held.
        if state.get("lastSeq") == channel["lastSeq"]:
            before = state["unreadCount"] - count_unread(channel)
            self._unread_before[channel["id"]] = max(0, before)
        self._derive(channel)

    def _take_entry(self, channel: Json, event: Json) -> None:
        if event["__typename"] == "ChannelUpdated":
            if event["channel"] is None:
                del self.channels[channel["id"]]
                return
            channel.update({k: v for k, v in event["channel"].items() if k not in OWN})
            channel["members"] = {m["id"]: m for m in channel["members"]["nodes"]}
        channel["lastSeq"] = event["seq"]
        if "message" in event and not is_of_older_page(channel["messages"], event):
            channel["messages"][event["message"]["seq"]] = event["message"]
        self._derive(channel)

    def _derive(self, channel: Json) -> None:
        """What follows from positions: the unread count, and how one's own messages fared."""
        own, messages = channel["position"], channel["messages"]
        if own["readSeq"] >= min(messages, default=0) - 1:
            self._unread_before[channel["id"]] = 0
        unread = self._unread_before[channel["id"]] + count_unread(channel)
        channel["unreadCount"] = min(unread, UNREAD_AT_MOST)
        others = [m for m in channel["members"].values() if m["user"]["id"] != own["userId"]]
        for message in messages.values():
            if message["status"] is not None:
                seq = message["seq"]
                audience = [m["position"] for m in others if m["joinedSeq"] <= seq]
                message["status"] = "SENT"
                for field, status in (("deliveredSeq", "DELIVERED"), ("readSeq", "READ")):
                    if audience and all(position[field] >= seq for position in audience):
                        message["status"] = status


def is_of_older_page(messages: dict[int, Json], event: Json) -> bool:
    """Whether the changed message is of a page that the copy does not hold: it would leave a hole.
    A new message never is, even where the answer to a later send was here before it.
    """
    seq: int = event["message"]["seq"]
    return seq < event["seq"] and bool(messages) and seq < min(messages)


def count_unread(channel: Json) -> int:
    """Return how many of the messages that are held are of others, and not read."""
    own = channel["position"]
    return sum(
        m["seq"] > own["readSeq"]
        and m["sender"] is not None
        and m["sender"]["id"] != own["userId"]
        and m["deletedAt"] is None
        for m in channel["messages"].values()
    )


def greater(held: Json, given: Json) -> Json:
    """Of two positions of a member, as far as either goes."""
    seqs = {name: max(held[name], given[name]) for name in ("deliveredSeq", "readSeq")}
    return {"userId": held["userId"], **seqs}
