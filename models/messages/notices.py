"""System notices: what happened to a channel, as the typed content of a SYSTEM message."""

from collections.abc import Sequence
from enum import IntEnum

import msgspec

from models.postgresql.database import Database
from models.unloaded import UNLOADED, Unloaded
from models.users.users import User, list_users


class NoticeKind(IntEnum):
    GROUP_CREATED = 1
    GROUP_RENAMED = 2
    GROUP_CHANGED = 3
    MEMBER_JOINED = 4
    MEMBER_ADDED = 5
    MEMBER_LEFT = 6
    MEMBER_REMOVED = 7
    ROLE_CHANGED = 8


class SystemNotice(msgspec.Struct, omit_defaults=True):
    """Who did it, to whom, and the new name or role. `actor` and `subjects` are hydrated in
    bulk.
    """

    kind: NoticeKind
    actor_id: str | None = None
    subject_ids: list[str] = []
    value: str | None = None
    actor: User | None | Unloaded = UNLOADED
    subjects: list[User] | Unloaded = UNLOADED

    def takes_out(self) -> list[str]:
        """Return the ids of the users who are no longer in the channel after the notice."""
        if self.kind is NoticeKind.MEMBER_REMOVED:
            return self.subject_ids
        if self.kind is NoticeKind.MEMBER_LEFT and self.actor_id is not None:
            return [self.actor_id]
        return []

    def user_ids(self) -> list[str]:
        return [*self.subject_ids, *([self.actor_id] if self.actor_id else [])]


async def hydrate_notices(database: Database, notices: Sequence[SystemNotice | None]) -> None:
    """Give every notice its users, by one look-up."""
    lacking = [notice for notice in notices if notice is not None and notice.actor is UNLOADED]
    if not lacking:
        return
    users = await list_users(database, sorted({who for n in lacking for who in n.user_ids()}))
    for notice in lacking:
        notice.actor = users.get(notice.actor_id or "")
        notice.subjects = [users[who] for who in notice.subject_ids if who in users]
