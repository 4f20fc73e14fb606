"""Seeding: users, devices, chats, one group and one long history in bulk, for development and
measuring.

Everything goes in by COPY in one transaction, so that a seed is there whole or not at all. Seeding
again adds another world beside the first: ids are new. The users have no phone number: nobody can
sign in as them, and their tokens are all that lets anybody in.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from models import ids
from models.channel_kinds import ChannelKind
from models.channels.members import MemberRole
from models.database import Connection
from models.devices.devices import Platform
from models.log.drafts import Draft
from models.messages.messages import Details, MessageKind, encode_details
from models.messages.notices import NoticeKind, SystemNotice
from models.messages.search_index import BLOCK_ENTRIES, build_search_blocks
from models.tokens import Tokens
from models.users.users import User

# The newest entries of a log that its readers have, but have not read; and have not even received.
UNREAD_ENTRIES = 10
UNDELIVERED_ENTRIES = 5
# A reader of the history moved their positions once for so many entries: a receipt each time.
ENTRIES_PER_MOVE = 50
TEXT_LENGTH = 100
# A little to begin with. With chats that are empty when the planner looks, it takes every chat but
# the long one for empty, and reads them whole where it should look up one message.
GROUP_ENTRIES = 100
PAIR_ENTRIES = 50
GROUP_NAME = "Everybody"

_COLUMNS: dict[str, tuple[str, ...]] = {
    "users": ("id", "name", "created_at"),
    "devices": (
        "user_id",
        "id",
        "name",
        "platform",
        "created_at",
        "last_active_at",
        "generation",
        "generation_accepted_at",
        "refreshed_at",
        "access_expires_at",
    ),
    "user_channels": ("user_id", "channel_id"),
    "device_positions": ("user_id", "device_id", "channel_id", "delivered_seq"),
    "channels": ("id", "kind", "created_at", "last_seq", "last_at"),
    "groups": ("channel_id", "name", "creator_id", "draft_hash"),
    "members": (
        "channel_id",
        "user_id",
        "role",
        "joined_at",
        "joined_seq",
        "delivered_seq",
        "read_seq",
        "shown_delivered_seq",
        "shown_read_seq",
        "has_sent",
    ),
    "messages": (
        "channel_id",
        "seq",
        "kind",
        "sender_id",
        "client_message_id",
        "draft_hash",
        "text",
        "details",
        "sent_at",
    ),
    "receipts": ("channel_id", "user_id", "kind", "up_to_seq", "at"),
}
_DELIVERED, _READ = 1, 2


class WorldPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How many of each. A group has its sender and at least one other member."""

    pairs: int = 64
    group_members: int = 100
    history: int = 100_000
    idle: int = 5000


class PairAccess(msgspec.Struct, frozen=True):
    """A chat with a little said, and the access tokens of its two users."""

    conv: str
    a: str
    b: str


class GroupAccess(msgspec.Struct, frozen=True):
    """The group, the token of one who sends, and the tokens of all members, theirs included."""

    conv: str
    sender: str
    members: list[str]


class MemberAccess(msgspec.Struct, frozen=True):
    """A chat, and the token of one of its users."""

    conv: str
    token: str


class World(msgspec.Struct, frozen=True):
    """Global ids and access tokens of what was made: the file that load generators read."""

    pairs: list[PairAccess]
    group: GroupAccess
    history: MemberAccess
    idle: list[MemberAccess]


class _SeededUser(msgspec.Struct, frozen=True):
    user: User
    device_id: str
    token: str


class _Log(msgspec.Struct, frozen=True):
    """A channel with its log; entry `seq` was said at `sent_at(seq)`, one a minute up to now."""

    channel_id: str
    last_seq: int
    now: datetime

    def sent_at(self, seq: int) -> datetime:
        return self.now - timedelta(minutes=self.last_seq - seq + 1)

    @property
    def created_at(self) -> datetime:
        return self.sent_at(0)


async def seed_world(
    connection: Connection, tokens: Tokens, plan: WorldPlan, *, now: datetime
) -> World:
    """Make it all, and let the planner know. The tokens hold as long as those that `tokens` makes.

    The connection must bear statements of some seconds.
    """
    seeding = _Seeding(tokens, now)
    world = World(
        pairs=[seeding.add_pair() for _ in range(plan.pairs)],
        group=seeding.add_group(plan.group_members),
        history=seeding.add_history(plan.history),
        idle=seeding.add_idle(plan.idle),
    )
    async with connection.transaction():
        for table, rows in seeding.rows.items():
            await connection.copy_records_to_table(table, records=rows, columns=_COLUMNS[table])
    for channel_id in seeding.list_long_logs():
        # As their writers would have had it done; else the first searches do, each a little.
        while await build_search_blocks(connection, channel_id):
            continue
    # Without it the planner takes the tables for what they were before, for a minute or more.
    await connection.execute(f"ANALYZE {', '.join([*_COLUMNS, 'search_heads', 'search_blocks'])}")
    return world


class _Seeding:
    """Collects rows by table."""

    def __init__(self, tokens: Tokens, now: datetime) -> None:
        self.rows: dict[str, list[tuple[object, ...]]] = {table: [] for table in _COLUMNS}
        self._tokens = tokens
        self._now = now
        self._logs: list[_Log] = []

    def list_long_logs(self) -> list[str]:
        """The channels with a log that is a whole block, at the least."""
        return [log.channel_id for log in self._logs if log.last_seq >= BLOCK_ENTRIES]

    def add_pair(self) -> PairAccess:
        one, other = self._add_user(), self._add_user()
        log = self._add_chat(one, other, PAIR_ENTRIES)
        return PairAccess(ids.channel_global_id(log.channel_id), one.token, other.token)

    def add_group(self, members: int) -> GroupAccess:
        """All have received everything. The first member made it."""
        users = [self._add_user() for _ in range(members)]
        owner = users[0]
        log = self._add_channel(ids.new_id(), ChannelKind.GROUP, GROUP_ENTRIES)
        self.rows["groups"].append(
            (
                log.channel_id,
                GROUP_NAME,
                owner.user.id,
                hashlib.sha256(GROUP_NAME.encode()).digest(),
            )
        )
        for user in users:
            role = MemberRole.OWNER if user is owner else MemberRole.MEMBER
            self._add_member(log, user, role, undelivered=0)
        self._add_notice(log, users)
        self._add_messages(log, users, first_seq=2)
        return GroupAccess(
            ids.channel_global_id(log.channel_id), owner.token, [user.token for user in users]
        )

    def add_history(self, entries: int) -> MemberAccess:
        """A long chat; of what the token's owner wrote, some is read, some delivered, some only
        sent.
        """
        viewer, peer = self._add_user(), self._add_user()
        log = self._add_chat(viewer, peer, entries)
        return MemberAccess(ids.channel_global_id(log.channel_id), viewer.token)

    def add_idle(self, users: int) -> list[MemberAccess]:
        """People who chat two by two; an odd one keeps notes."""
        idle: list[MemberAccess] = []
        for place in range(0, users, 2):
            two = [self._add_user() for _ in range(min(2, users - place))]
            conv = ids.channel_global_id(self._add_chat(two[0], two[-1]).channel_id)
            idle += [MemberAccess(conv, user.token) for user in two]
        return idle

    def _add_user(self) -> _SeededUser:
        users, now = self.rows["users"], self._now
        user = User(ids.new_id(), f"Person {len(users) + 1}", None)
        device_id = ids.new_id()
        token, expires_at = self._tokens.make_access(user.id, device_id, 1, now=now)
        users.append((user.id, user.name, now))
        self.rows["devices"].append(
            (
                user.id,
                device_id,
                "Seeded",
                Platform.OTHER.value,
                now,
                now,
                1,
                now,
                now,
                expires_at,
            )
        )
        return _SeededUser(user, device_id, token)

    def _add_chat(self, one: _SeededUser, other: _SeededUser, entries: int = 0) -> _Log:
        log = self._add_channel(ids.chat_id(one.user.id, other.user.id), ChannelKind.CHAT, entries)
        self._add_member(log, one, MemberRole.MEMBER, undelivered=0)
        if other is not one:
            self._add_member(log, other, MemberRole.MEMBER, undelivered=UNDELIVERED_ENTRIES)
        self._add_messages(log, [one, other])
        return log

    def _add_channel(self, channel_id: str, kind: ChannelKind, entries: int) -> _Log:
        log = _Log(channel_id, entries, self._now)
        self._logs.append(log)
        self.rows["channels"].append(
            (
                channel_id,
                kind.value,
                log.created_at,
                entries,
                log.sent_at(entries) if entries else None,
            )
        )
        return log

    def _add_member(
        self, log: _Log, user: _SeededUser, role: MemberRole, *, undelivered: int
    ) -> None:
        user_id, channel_id = user.user.id, log.channel_id
        delivered_seq = max(0, log.last_seq - undelivered)
        read_seq = max(0, log.last_seq - UNREAD_ENTRIES)
        self.rows["user_channels"].append((user_id, channel_id))
        # As sign-in does: the device begins at the end of what there was.
        self.rows["device_positions"].append((user_id, user.device_id, channel_id, log.last_seq))
        self.rows["members"].append(
            (
                channel_id,
                user_id,
                role.value,
                log.created_at,
                1,
                delivered_seq,
                read_seq,
                delivered_seq,
                read_seq,
                log.last_seq > 1,
            )
        )
        self._add_receipts(log, user_id, _DELIVERED, delivered_seq)
        self._add_receipts(log, user_id, _READ, read_seq)

    def _add_receipts(self, log: _Log, user_id: str, kind: int, position: int) -> None:
        """The moves that lead to the position, each half a minute after the entry that it
        covers.
        """
        if not position:
            return
        for up_to_seq in [*range(ENTRIES_PER_MOVE, position, ENTRIES_PER_MOVE), position]:
            at = log.sent_at(up_to_seq) + timedelta(seconds=30)
            self.rows["receipts"].append((log.channel_id, user_id, kind, up_to_seq, at))

    def _add_notice(self, log: _Log, users: Sequence[_SeededUser]) -> None:
        """The first entry of a group's log."""
        owner, *others = (user.user.id for user in users)
        notice = SystemNotice(NoticeKind.GROUP_CREATED, owner, others, GROUP_NAME)
        details = encode_details(Details(system=notice)).decode()
        self.rows["messages"].append(
            (log.channel_id, 1, MessageKind.SYSTEM.value, *[None] * 4, details, log.sent_at(1))
        )

    def _add_messages(self, log: _Log, users: Sequence[_SeededUser], *, first_seq: int = 1) -> None:
        """Said by the users in turn."""
        messages = self.rows["messages"]
        for seq in range(first_seq, log.last_seq + 1):
            draft = Draft(
                log.channel_id,
                users[seq % len(users)].user,
                f"seed-{seq}",
                MessageKind.TEXT,
                log.sent_at(seq),
                text=f"Message {seq} ".ljust(TEXT_LENGTH, "."),
            )
            messages.append(
                (
                    draft.channel_id,
                    seq,
                    draft.kind.value,
                    draft.sender.id,
                    draft.client_message_id,
                    draft.fingerprint(),
                    draft.text,
                    None,
                    draft.at,
                )
            )
