"""What tests of groups under races share: processes that write at once, and racing calls."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from models import ids
from models.channels.members import MemberRole
from models.groups import membership
from models.groups.groups import GroupChanges, GroupDraft, create_group, update_group
from models.groups.invites import create_invite, join_group
from models.limits.limits import Limits
from models.log.committer import Committer
from models.log.drafts import Draft, Sent
from models.log.entries import Batch
from models.messages.messages import MessageKind
from models.postgresql.database import Database
from models.refusals import Refused
from models.users.users import User, create_user

PAIRS = 200
LIMITS = Limits()


@dataclass(slots=True)
class Process:
    """One of the processes that write: its database, its committer, and what it dispatches."""

    database: Database
    committer: Committer
    batches: list[Batch]


@dataclass(slots=True)
class Processes:
    one: Process
    other: Process
    _sends: int = field(default=0)

    def __getitem__(self, place: int) -> Process:
        return self.other if place % 2 else self.one

    @property
    def batches(self) -> list[Batch]:
        return self.one.batches + self.other.batches

    async def make_group(self, owner: User, *members: User) -> str:
        draft = GroupDraft(owner.id, "Hikers", None, [member.id for member in members])
        return await create_group(
            self.one.database, draft, limits=LIMITS, publish=self.one.batches.append
        )

    async def make_invite(self, admin: User, group_id: str) -> str:
        invite = await create_invite(
            self.one.database,
            admin.id,
            group_id,
            expires_at=None,
            max_uses=None,
            limits=LIMITS,
            publish=self.one.batches.append,
        )
        return invite.token

    async def send(self, place: int, sender: User, group_id: str) -> Sent:
        self._sends += 1
        draft = Draft(
            group_id, sender, f"{self._sends}", MessageKind.TEXT, datetime.now(UTC), "Hello"
        )
        return await self[place].committer.send(draft)

    async def join(self, place: int, user: User, token: str) -> None:
        at = self[place]
        await join_group(at.database, user.id, token, limits=LIMITS, publish=at.batches.append)

    async def leave(self, place: int, user: User, group_id: str) -> None:
        at = self[place]
        await membership.leave_group(at.database, user.id, group_id, publish=at.batches.append)

    async def remove(self, place: int, admin: User, group_id: str, user: User) -> None:
        at = self[place]
        await membership.remove_member(
            at.database, admin.id, group_id, user.id, publish=at.batches.append
        )

    async def add(self, place: int, admin: User, group_id: str, *users: User) -> None:
        at = self[place]
        await membership.add_members(
            at.database,
            admin.id,
            group_id,
            [user.id for user in users],
            limits=LIMITS,
            publish=at.batches.append,
        )

    async def set_role(
        self, place: int, owner: User, group_id: str, user: User, role: MemberRole
    ) -> None:
        at = self[place]
        await membership.set_member_role(
            at.database, owner.id, group_id, user.id, role, publish=at.batches.append
        )

    async def rename(self, place: int, admin: User, group_id: str, name: str) -> None:
        at = self[place]
        await update_group(
            at.database,
            admin.id,
            group_id,
            GroupChanges(name=name),
            limits=LIMITS,
            publish=at.batches.append,
        )


async def make_users(database: Database, count: int) -> list[User]:
    async with database.transaction() as connection:
        return [
            await create_user(connection, ids.new_id(), f"User {n}", now=datetime.now(UTC))
            for n in range(count)
        ]


async def race(*calls: Awaitable[Any]) -> list[Any]:
    """Return what each gave: its answer, or the code of its refusal."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, Refused):
            raise answer
    return [answer.code if isinstance(answer, Refused) else answer for answer in answers]


async def count_members(database: Database, group_id: str) -> int:
    found: int = await database.fetchval(
        "SELECT count(*) FROM members WHERE channel_id = $1 AND left_seq IS NULL", group_id
    )
    return found
