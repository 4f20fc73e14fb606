"""Admission to a channel's log: who may hand in a draft is looked at before anything is locked.

One who is not in a channel never gets as far as its row: they can neither hold it up, nor tell by
the time that an answer takes whether there is one. Looking decides nothing else: what is written is
decided again under the row's lock. One who has left gets through with what they had sent before,
so that its repeat finds it.

Whoever was found to be in a channel is remembered, so that a further send looks at nothing; drafts
of one sender and channel that come while they are being looked at keep their order.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from enum import Enum

import msgspec

from models.channels.refusals import blocked_chat, no_such_channel
from models.log.drafts import Draft, Sent
from models.log.group_commit.batch_writer import WRITE_WITHIN_S, Busy
from models.log.group_commit.batching import GroupCommit
from models.postgresql.database import Connection, Database
from models.refusals import Refused

# (user, channel) pairs that are remembered; some 330 bytes each.
REMEMBERED_PAIRS = 50_000

Pair = tuple[str, str]


class SenderStanding(Enum):
    """How the sender of a draft stands to its channel."""

    IN = "in"
    # They have left, or were never in it.
    OUT = "out"
    # They have left; the draft has the id of a message that they sent before.
    OUT_WITH_MESSAGE = "out, with message"


# $1 the channels, each once; the others are parallel. In a chat that was never opened
# (models/channels/chats.py) there is nobody, and left_seq is 0.
_LOOK = """
SELECT (CASE
    WHEN b.left_seq IS NULL AND b.user_id IS NOT NULL THEN 'in'
    WHEN b.left_seq > 0 AND EXISTS (
        SELECT FROM messages n
        WHERE n.channel_id = ANY ($1) AND n.channel_id = d.channel_id AND n.sender_id = d.user_id
          AND n.client_message_id = d.client_message_id
    ) THEN 'out, with message'
    ELSE 'out'
END) AS standing
FROM unnest($2::uuid[], $3::uuid[], $4::text[])
    WITH ORDINALITY AS d (channel_id, user_id, client_message_id, ord)
LEFT JOIN members b ON b.channel_id = ANY ($1) AND b.channel_id = d.channel_id
    AND b.user_id = d.user_id
ORDER BY d.ord
"""


class Look(msgspec.Struct, frozen=True):
    """What is asked about a draft."""

    channel_id: str
    user_id: str
    client_message_id: str


class LookReader:
    """Answers looks that wait together by one statement. It writes and locks nothing."""

    def lane(self, item: Look) -> str:
        return item.channel_id

    def lock_key(self, item: Look) -> Look:
        return item

    def identity(self, item: Look) -> Look:
        return item

    def absorb(self, leader: Look, follower: Look) -> None:
        """Do nothing: the same question has the same answer."""

    def follow(self, leader: Look, result: SenderStanding, follower: Look) -> SenderStanding:
        return result

    def weight(self, item: Look) -> int:
        return 1

    def note_again(self, item: Look) -> None:
        """Do nothing: looking twice does no harm."""

    async def write(
        self, connection: Connection, items: Sequence[Look], *, wait: bool
    ) -> Sequence[SenderStanding | Refused | Busy]:
        rows = await connection.fetch(
            _LOOK,
            sorted({look.channel_id for look in items}),
            [look.channel_id for look in items],
            [look.user_id for look in items],
            [look.client_message_id for look in items],
            timeout=WRITE_WITHIN_S,
        )
        return [SenderStanding(row["standing"]) for row in rows]


class _Waiting(msgspec.Struct, eq=False):
    """A draft that waits until its sender has been looked at; `deadline` is by the loop's clock."""

    draft: Draft
    answer: "asyncio.Future[Sent]"
    deadline: float

    def refuse(self, error: BaseException | None) -> None:
        if error is not None and not self.answer.done():
            self.answer.set_exception(error)

    def follow(self, sent: "asyncio.Future[Sent]") -> None:
        """Answer as `sent` is answered."""
        if self.answer.done() or sent.cancelled():
            return
        error = sent.exception()
        if error is not None:
            self.answer.set_exception(error)
        else:
            self.answer.set_result(sent.result())


class Admission:
    """Hands drafts of members to `sends`, in the order in which they came; refuses the others."""

    def __init__(
        self,
        sends: GroupCommit[Draft, Sent],
        looks: GroupCommit[Look, SenderStanding],
        *,
        remembered_pairs: int = REMEMBERED_PAIRS,
    ) -> None:
        self._sends = sends
        self._looks = looks
        self._remembered_pairs = remembered_pairs
        self._remembered: OrderedDict[Pair, None] = OrderedDict()
        self._waiting: dict[Pair, deque[_Waiting]] = {}

    def submit(self, draft: Draft) -> "asyncio.Future[Sent]":
        """Hand in a draft; the future answers as that of `sends` does. It raises Refused: NOT_FOUND
        for a sender who is not in the channel, UNAVAILABLE past the deadline.
        """
        pair = (draft.sender.id, draft.channel_id)
        if pair in self._remembered:
            self._remembered.move_to_end(pair)
            return self._sends.submit(draft)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(draft, loop.create_future(), loop.time() + self._sends.deadline_s)
        self._waiting.setdefault(pair, deque()).append(waiting)
        if len(self._waiting[pair]) == 1:
            self._look(pair)
        return waiting.answer

    def forget(self, draft: Draft) -> None:
        """Forget that the sender was in the channel: the last send found that they are not."""
        self._remembered.pop((draft.sender.id, draft.channel_id), None)

    def _look(self, pair: Pair) -> None:
        """Look at the sender for the first of the drafts that wait. `_take` goes on with the
        others.
        """
        first = self._waiting[pair][0]
        look = Look(first.draft.channel_id, first.draft.sender.id, first.draft.client_message_id)
        found = self._looks.submit(look, deadline=first.deadline)
        found.add_done_callback(lambda _: self._take(pair, found))

    def _take(self, pair: Pair, found: "asyncio.Future[SenderStanding]") -> None:
        """Let in or refuse, without a step in between, so that nobody comes between them."""
        waiting = self._waiting[pair]
        if found.cancelled() or found.exception() is not None:
            self._refuse(waiting, found)
        elif found.result() is SenderStanding.IN:
            self._remember(pair)
            while waiting:
                self._let_in(waiting.popleft())
        elif found.result() is SenderStanding.OUT_WITH_MESSAGE:
            self._let_in(waiting.popleft())
        else:
            waiting.popleft().refuse(no_such_channel())
        if waiting:
            self._look(pair)
        else:
            del self._waiting[pair]

    def _refuse(self, waiting: "deque[_Waiting]", found: "asyncio.Future[SenderStanding]") -> None:
        """Refuse the first, and whoever else is past the deadline. The others get another look."""
        error = asyncio.CancelledError() if found.cancelled() else found.exception()
        waiting.popleft().refuse(error)
        now = asyncio.get_running_loop().time()
        while waiting and waiting[0].deadline <= now:
            waiting.popleft().refuse(error)

    def _remember(self, pair: Pair) -> None:
        self._remembered[pair] = None
        if len(self._remembered) > self._remembered_pairs:
            self._remembered.popitem(last=False)

    def _let_in(self, waiting: _Waiting) -> None:
        sent = self._sends.submit(waiting.draft, deadline=waiting.deadline)
        sent.add_done_callback(waiting.follow)


async def require_sender(database: Database, user_id: str, channel_id: str) -> None:
    """Check that the user may send to the channel, for what is written before a draft is handed in.
    It locks nothing.

    Raises:
        Refused: NOT_FOUND when the user is not in the channel; BLOCKED where one of a chat blocks
            the other.
    """
    blocked = await database.fetchval(
        """
        SELECT EXISTS (SELECT FROM members o WHERE o.channel_id = $1 AND o.blocks)
        FROM members v WHERE v.channel_id = $1 AND v.user_id = $2 AND v.left_seq IS NULL
        """,
        channel_id,
        user_id,
    )
    if blocked is None:
        raise no_such_channel()
    if blocked:
        raise blocked_chat()
