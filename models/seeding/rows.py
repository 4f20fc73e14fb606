"""The rows of a seeded world, collected by table before they are copied into the database."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from models import ids
from models.channel_kinds import ChannelKind
from models.channels.members import MemberRole
from models.devices.devices import Platform
from models.log.drafts import Draft
from models.messages.messages import Details, MessageKind, encode_details
from models.messages.notices import NoticeKind, SystemNotice
from models.messages.receipts import ReceiptKind
from models.tokens import Tokens
from models.users.users import User

# The newest entries of a log that its readers have, but have not read; and have not even received.
UNREAD_ENTRIES = 10
UNDELIVERED_ENTRIES = 5
# A reader of the history moved their positions once for so many entries: a receipt each time.
ENTRIES_PER_MOVE = 50
TEXT_LENGTH = 100
GROUP_NAME = "Everybody"


class SeededUser(msgspec.Struct, frozen=True):
    user: User
    device_id: str
    token: str


class SeededLog(msgspec.Struct, frozen=True):
    """A channel with its log; entry `seq` was said at `sent_at(seq)`, one a minute up to now."""

    channel_id: str
    last_seq: int
    now: datetime

    def sent_at(self, seq: int) -> datetime:
        return self.now - timedelta(minutes=self.last_seq - seq + 1)

    @property
    def created_at(self) -> datetime:
        return self.sent_at(0)


class SeedRows:
    """Collects rows by table, for COPY."""

    def __init__(self, tokens: Tokens, now: datetime) -> None:
        self.logs: list[SeededLog] = []
        # By table: the columns, and rows of their values.
        self.columns: dict[str, tuple[str, ...]] = {}
        self.rows: dict[str, list[tuple[object, ...]]] = {}
        self._tokens = tokens
        self._now = now
        self._users = 0

    def add_user(self) -> SeededUser:
        now = self._now
        self._users += 1
        user = User(ids.new_id(), f"Person {self._users}", None)
        device_id = ids.new_id()
        token, expires_at = self._tokens.make_access(user.id, device_id, 1, now=now)
        self._add("users", id=user.id, name=user.name, created_at=now)
        self._add(
            "devices",
            user_id=user.id,
            id=device_id,
            name="Seeded",
            platform=Platform.OTHER.value,
            created_at=now,
            last_active_at=now,
            generation=1,
            generation_accepted_at=now,
            refreshed_at=now,
            access_expires_at=expires_at,
        )
        return SeededUser(user, device_id, token)

    def add_chat(self, one: SeededUser, other: SeededUser, entries: int = 0) -> SeededLog:
        """Add the chat of these two, who said its entries in turn; of one user, their notes."""
        log = self._add_channel(ids.chat_id(one.user.id, other.user.id), ChannelKind.CHAT, entries)
        self._add_member(log, one, MemberRole.MEMBER, undelivered=0)
        if other is not one:
            self._add_member(log, other, MemberRole.MEMBER, undelivered=UNDELIVERED_ENTRIES)
        self._add_messages(log, [one, other])
        return log

    def add_group(self, users: Sequence[SeededUser], entries: int) -> SeededLog:
        """Add a group of these users, who have received everything. The first one made it."""
        owner = users[0]
        log = self._add_channel(ids.new_id(), ChannelKind.GROUP, entries)
        self._add(
            "groups",
            channel_id=log.channel_id,
            name=GROUP_NAME,
            creator_id=owner.user.id,
            draft_hash=hashlib.sha256(GROUP_NAME.encode()).digest(),
        )
        for user in users:
            role = MemberRole.OWNER if user is owner else MemberRole.MEMBER
            self._add_member(log, user, role, undelivered=0)
        self._add_creation(log, users)
        self._add_messages(log, users, first_seq=2)
        return log

    def _add(self, table: str, **values: object) -> None:
        columns = self.columns.setdefault(table, tuple(values))
        row = tuple(values[column] for column in columns)
        self.rows.setdefault(table, []).append(row)

    def _add_channel(self, channel_id: str, kind: ChannelKind, entries: int) -> SeededLog:
        log = SeededLog(channel_id, entries, self._now)
        self.logs.append(log)
        self._add(
            "channels",
            id=channel_id,
            kind=kind.value,
            created_at=log.created_at,
            last_seq=entries,
            last_at=log.sent_at(entries) if entries else None,
        )
        return log

    def _add_member(
        self, log: SeededLog, user: SeededUser, role: MemberRole, *, undelivered: int
    ) -> None:
        user_id, channel_id = user.user.id, log.channel_id
        delivered_seq = max(0, log.last_seq - undelivered)
        read_seq = max(0, log.last_seq - UNREAD_ENTRIES)
        self._add("user_channels", user_id=user_id, channel_id=channel_id)
        # As sign-in does: the device begins at the end of what there was.
        self._add(
            "device_positions",
            user_id=user_id,
            device_id=user.device_id,
            channel_id=channel_id,
            delivered_seq=log.last_seq,
        )
        self._add(
            "members",
            channel_id=channel_id,
            user_id=user_id,
            role=role.value,
            joined_at=log.created_at,
            joined_seq=1,
            delivered_seq=delivered_seq,
            read_seq=read_seq,
            shown_delivered_seq=delivered_seq,
            shown_read_seq=read_seq,
            has_sent=log.last_seq > 1,
        )
        self._add_receipts(log, user_id, ReceiptKind.DELIVERED, delivered_seq)
        self._add_receipts(log, user_id, ReceiptKind.READ, read_seq)

    def _add_receipts(self, log: SeededLog, user_id: str, kind: ReceiptKind, position: int) -> None:
        """Add the moves that lead to the position, each half a minute after the entry that it
        covers.
        """
        if not position:
            return
        for up_to_seq in [*range(ENTRIES_PER_MOVE, position, ENTRIES_PER_MOVE), position]:
            self._add(
                "receipts",
                channel_id=log.channel_id,
                user_id=user_id,
                kind=kind.value,
                up_to_seq=up_to_seq,
                at=log.sent_at(up_to_seq) + timedelta(seconds=30),
            )

    def _add_creation(self, log: SeededLog, users: Sequence[SeededUser]) -> None:
        """Add the first entry of a group's log: the owner made it, with the others."""
        owner, *others = (user.user.id for user in users)
        notice = SystemNotice(NoticeKind.GROUP_CREATED, owner, others, GROUP_NAME)
        self._add_entry(log, 1, MessageKind.SYSTEM, details=Details(system=notice))

    def _add_messages(
        self, log: SeededLog, users: Sequence[SeededUser], *, first_seq: int = 1
    ) -> None:
        """Add the messages up to the log's end, by the users in turn."""
        for seq in range(first_seq, log.last_seq + 1):
            draft = Draft(
                log.channel_id,
                users[seq % len(users)].user,
                f"seed-{seq}",
                MessageKind.TEXT,
                log.sent_at(seq),
                text=f"Message {seq} ".ljust(TEXT_LENGTH, "."),
            )
            self._add_entry(log, seq, draft.kind, draft=draft)

    def _add_entry(
        self,
        log: SeededLog,
        seq: int,
        kind: MessageKind,
        *,
        draft: Draft | None = None,
        details: Details | None = None,
    ) -> None:
        self._add(
            "messages",
            channel_id=log.channel_id,
            seq=seq,
            kind=kind.value,
            sender_id=draft.sender.id if draft else None,
            client_message_id=draft.client_message_id if draft else None,
            draft_hash=draft.fingerprint() if draft else None,
            text=draft.text if draft else None,
            details=encode_details(details).decode() if details else None,
            sent_at=log.sent_at(seq),
        )
