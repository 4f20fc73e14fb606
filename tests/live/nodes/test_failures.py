"""What fails on a node stays with whom it concerns: one feed, one read, one batch."""

from collections.abc import Sequence
from typing import Any

import pytest

from models import ids
from models.close_codes import CloseCode
from models.duties import Duty
from models.log.committer import Committer
from models.log.entries import Batch, Recipients
from models.log.events import Occurrence
from models.log.outbox import list_unsettled_batches
from models.log.positions import Moved
from models.log.signals import ReceiptMoved, Signalled, ViewerChanged
from models.postgresql.database import Database
from models.refusals import unavailable
from models.users.users import User
from subscriptions.feed import Feed
from subscriptions.hub import Hub
from subscriptions.receipts import MOST_TRIES, Receipts
from tests.client import Stream, added, until
from tests.make import AnotherDevice, Person, write_history
from tests.serving import Server
from tests.unit.feeds.test_feed import Log, live_entry
from tests.waiting import eventually
from workers.dispatch.relay import Relay

INBOX = """subscription { inbox { __typename ... on MessageAdded { seq message { status } } } }"""


class FailingDatabase(Database):
    """Fails the first reads with what it is told to."""

    def __init__(self, database: Database, errors: Sequence[Exception]) -> None:
        super().__init__(database.pool, database.url)
        self.errors = list(errors)
        self.reads = 0

    async def fetch(self, query: str, *args: object) -> list[Any]:
        self.reads += 1
        if self.errors:
            raise self.errors.pop()
        return await super().fetch(query, *args)


# -------------------------------------------------------------------- a feed


def feed_of(device: Person) -> Feed:
    hub = device.server.app._process.hub
    (feed,) = (f for f in hub.feeds_of(device.user.id) if f.device_id == device.inner_device_id)
    return feed


def fails(occurrence: Occurrence) -> None:
    raise ValueError("a bug of a sink")


async def test_a_feed_that_fails_is_cut_alone_and_senders_do_not_notice(
    alice: Person, bob: Person, chat: str, another_device: AnotherDevice
) -> None:
    tablet = await another_device(bob)
    async with bob.follow(INBOX) as failing, tablet.follow(INBOX) as other:
        for stream in (failing, other):
            await until(stream, "InboxReady")
        feed_of(bob).attach(fails)

        sent = [(await alice.say(chat, text))["seq"] for text in ("1", "2")]

        assert await failing.socket.close_code() == CloseCode.TRY_AGAIN_LATER
        assert [(await added(other))["seq"] for _ in sent] == sent == [1, 2]


# -------------------------------------------------------------------- a gap


async def test_a_gap_is_read_again_whatever_went_wrong(
    alice: Person, chat: str, database: Database, committer: Committer
) -> None:
    await write_history(committer, alice, chat, 3)
    inner_id = ids.parse_plain("chn", chat)
    assert inner_id is not None
    failing = FailingDatabase(database, [unavailable(), ValueError("a bug")])
    hub = Hub(failing, replay_entries=100)
    given: list[int] = []
    feed = Feed(GapsOf(hub), alice.user.id, alice.inner_device_id)
    feed.positions[inner_id] = 0
    feed.go_live()
    feed.attach(lambda occurrence: given.append(occurrence.value.seq))

    feed.offer(live_entry(inner_id, 3), 1)

    await eventually(lambda: given == [1, 2, 3])
    assert failing.errors == []


class GapsOf(Log):
    """A source whose gaps the hub reads."""

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self.want_gap = hub.want_gap  # type: ignore[method-assign]


# -------------------------------------------------------------------- dispatch and relay


async def test_dispatch_goes_on_after_a_batch_that_cannot_be_looked_up(
    alice: Person, bob: Person, chat: str, other_server: Server
) -> None:
    dispatcher = alice.server.app._process.dispatcher
    bad = Batch("", "", [], {"": Recipients(["\ud800"], [1])})

    async with bob.at(other_server).follow(INBOX) as stream:
        await until(stream, "InboxReady")
        dispatcher.on_commit(bad)
        await alice.say(chat, "1")

        await eventually(lambda: dispatcher.waiting() == 0)
        assert (await added(stream))["seq"] == 1


async def test_a_relay_goes_on_after_what_it_could_not_read(
    server: Server, database: Database
) -> None:
    process = server.app._process
    failing = FailingDatabase(database, [ValueError("a bug")])
    duty = Duty(database, ids.new_id(), ids.new_id())
    relay = Relay(failing, process.hub, process.dispatcher, duty)
    relay.start()

    await eventually(lambda: failing.reads > 1)
    await relay.close()


async def test_what_a_relay_passes_on_may_have_been_received_at_every_node(
    alice: Person,
    bob: Person,
    chat: str,
    server: Server,
    other_server: Server,
    database: Database,
    committer: Committer,
) -> None:
    """It was written, and received, long before: a device of its author is not told otherwise."""
    here, there = server.app._process, other_server.app._process
    async with alice.follow(INBOX) as near, alice.at(other_server).follow(INBOX) as far:
        for stream in (near, far):
            await until(stream, "InboxReady")
        await write_history(committer, alice, chat, 1)
        await bob.acknowledge(chat, delivered=1)

        # What a relay does, before the nodes' own do.
        batches = await list_unsettled_batches(database, older_than_s=0, most=10)
        here.hub.offer(batches[0])
        assert await here.node.publish({there.node.id: batches}) == set()

        assert await status(near) == await status(far) == "DELIVERED"


async def status(stream: Stream) -> str:
    told: str = (await until(stream, "MessageAdded"))[-1]["message"]["status"]
    return told


# -------------------------------------------------------------------- signals

UPDATE_PROFILE = """mutation { updateProfile(input: {about: "Away"}) { __typename } }"""


async def test_signals_go_on_after_one_that_cannot_be_passed_on(
    alice: Person, other_server: Server
) -> None:
    live = alice.server.app._process.resources.live
    async with alice.at(other_server).follow(INBOX) as stream:
        await until(stream, "InboxReady")
        live.announce([Signalled(ViewerChanged(), ["\ud800"])])

        await alice.mutate(UPDATE_PROFILE)

        await until(stream, "ViewerUpdated")


# -------------------------------------------------------------------- receipts


class Told:
    """Receipts over a database that refuses so often, and what they tell."""

    def __init__(self, database: Database, refusals: int) -> None:
        self.database = FailingDatabase(database, [unavailable()] * refusals)
        self.seqs: list[int] = []
        self.receipts = Receipts(self.database, self._note, busy_s=0)

    def _note(self, signals: Sequence[Signalled]) -> None:
        moves = [s.signal for s in signals if isinstance(s.signal, ReceiptMoved)]
        self.seqs += [move.delivered_seq for move in moves]

    def move(self, channel_id: str, mover: User, seq: int) -> None:
        self.receipts.on_moved([Moved(channel_id, mover.id, seq, 0, True, seq, 0, seq - 1, 0)])


@pytest.mark.parametrize(("refusals", "told"), [(MOST_TRIES - 1, [1, 2]), (MOST_TRIES, [2])])
async def test_receipts_are_given_up_after_so_many_tries_and_later_ones_told(
    alice: Person,
    bob: Person,
    carol: Person,
    database: Database,
    committer: Committer,
    refusals: int,
    told: list[int],
) -> None:
    chat = await alice.open_chat(bob)
    await write_history(committer, alice, chat, 2)
    inner_id = ids.parse_plain("chn", chat)
    assert inner_id is not None
    telling = Told(database, refusals)
    telling.receipts.start()

    telling.move(inner_id, bob.user, 1)
    await eventually(lambda: not telling.database.errors)
    telling.move(inner_id, bob.user, 2)

    await eventually(lambda: telling.seqs == told)
    await telling.receipts.close()
