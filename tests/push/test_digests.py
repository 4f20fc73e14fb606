"""Digests: one e-mail for all that was not read for a while, and not another for as long."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest_asyncio

from models.limits.limits import Limits
from models.postgresql.database import Database
from models.push.addresses import EmailAddress, PushAddress, PushEndpointKind, SmsAddress
from models.push.endpoints import set_endpoint
from models.push.settings import PushPreview, PushSettingsChanges, set_push_settings
from models.tokens import Tokens
from tests.confirming import confirm
from tests.conftest import SECRET
from tests.groups import make_group
from tests.make import Person
from tests.push.conftest import Working
from tests.push.fakes.apns import FakeApns
from tests.push.fakes.smtp import FakeSmtp
from tests.push.phones import is_settled
from tests.times import earlier
from tests.waiting import eventually
from workers.push.providers.mail import Mail
from workers.push.providers.pushes import DELIVERED, ProviderAnswer, Push

WAITS = "SELECT due_at - now() FROM jobs ORDER BY due_at"


@pytest_asyncio.fixture
async def post(apple: FakeApns) -> AsyncIterator[FakeSmtp]:
    """The mail server."""
    fake = FakeSmtp()
    await fake.start()
    yield fake
    await fake.close()


def mail(post: FakeSmtp) -> Mail:
    return Mail(url=post.url, sender="parley@mail.example")


async def reach(database: Database, person: Person, address: PushAddress) -> None:
    await set_endpoint(
        database, person.user.id, person.inner_device_id, address, now=datetime.now(UTC)
    )
    if isinstance(address, EmailAddress):
        await confirm(database, Tokens(SECRET, Limits()), person, address.address)
        # Nobody is there to send its code.
        await database.execute("DELETE FROM jobs")


HOURS_25 = "interval '25 hours'"


async def pass_time(database: Database) -> None:
    """All that waits is due, and all that was shown was so a day ago."""
    await eventually(lambda: is_settled(database))
    await database.execute("UPDATE jobs SET due_at = now()")
    await database.execute(
        f"UPDATE push_states SET due_at = now(), shown_at = {earlier('shown_at', HOURS_25)}"
    )


async def test_all_that_is_unread_is_one_mail_after_a_while(
    alice: Person, bob: Person, chat: str, post: FakeSmtp, working: Working, database: Database
) -> None:
    group = await make_group(alice, bob, name="Friends")
    await reach(database, bob, EmailAddress("bob@mail.example"))
    for text in ("The secret", "The other secret"):
        await alice.say(chat, text)
    await alice.say(group, "The third secret")
    await eventually(lambda: is_settled(database))
    waits = [row[0] for row in await database.fetch(WAITS)]
    assert len(waits) == 2
    assert timedelta(minutes=9, seconds=50) < waits[0] <= timedelta(minutes=10)

    await pass_time(database)
    async with working(mail(post)):
        await eventually(lambda: is_settled(database))

    [accepted] = post.accepted
    assert accepted.recipient == "bob@mail.example"
    assert "3 unread messages" in str(accepted.mail["Subject"])
    text = accepted.mail.get_content()
    assert "Alice (2)" in text
    assert "Friends (1)" in text
    assert "secret" not in str(accepted.mail)


async def test_the_next_mail_waits_as_long(
    alice: Person, bob: Person, chat: str, post: FakeSmtp, working: Working, database: Database
) -> None:
    with_carol = await make_group(alice, bob, name="Friends")
    await reach(database, bob, EmailAddress("bob@mail.example"))
    await alice.say(chat, "1")
    await pass_time(database)
    async with working(mail(post)):
        await eventually(lambda: post.accepted and is_settled(database))
        await alice.say(with_carol, "2")
        await eventually(lambda: is_settled(database))
        await database.execute("UPDATE jobs SET due_at = now()")
        await eventually(lambda: is_settled(database))

    assert len(post.accepted) == 1
    [wait] = [row[0] for row in await database.fetch(WAITS)]
    assert timedelta(minutes=9, seconds=40) < wait <= timedelta(minutes=10)


async def test_what_was_read_meanwhile_is_not_written_about(
    alice: Person, bob: Person, chat: str, post: FakeSmtp, working: Working, database: Database
) -> None:
    await reach(database, bob, EmailAddress("bob@mail.example"))
    await alice.say(chat, "1")
    await pass_time(database)
    await bob.acknowledge(chat, read=1)

    async with working(mail(post)):
        await eventually(lambda: is_settled(database))

    assert post.accepted == []


async def test_a_preview_of_nothing_names_nobody(
    alice: Person, bob: Person, chat: str, post: FakeSmtp, working: Working, database: Database
) -> None:
    await reach(database, bob, EmailAddress("bob@mail.example"))
    changes = PushSettingsChanges(preview=PushPreview.NOTHING)
    await set_push_settings(database, bob.user.id, bob.inner_device_id, changes)
    await alice.say(chat, "1")
    await pass_time(database)

    async with working(mail(post)):
        await eventually(lambda: post.accepted)

    assert "Alice" not in str(post.accepted[0].mail)


async def test_a_name_becomes_no_link(
    alice: Person, bob: Person, chat: str, post: FakeSmtp, working: Working, database: Database
) -> None:
    name = "Win at https://evil.example\u2028or eve@evil.example"
    await database.execute("UPDATE users SET name = $2 WHERE id = $1", alice.user.id, name)
    await reach(database, bob, EmailAddress("bob@mail.example"))
    await alice.say(chat, "1")
    await pass_time(database)

    async with working(mail(post)):
        await eventually(lambda: post.accepted)

    text = post.accepted[0].mail.get_content()
    assert text.splitlines() == ["Win at https evil example or eve at evil example (1)"]


async def test_a_mail_server_that_fails_is_asked_again(
    alice: Person, bob: Person, chat: str, post: FakeSmtp, working: Working, database: Database
) -> None:
    await reach(database, bob, EmailAddress("bob@mail.example"))
    await alice.say(chat, "1")
    await pass_time(database)
    post.say["MAIL"] = "451 4.3.0 try again"

    async with working(mail(post)):
        await eventually(lambda: database.fetchval("SELECT max(failures) FROM push_states"))
        del post.say["MAIL"]
        await eventually(lambda: post.accepted)


class Texts:
    """A provider of SMS that keeps them."""

    kind = PushEndpointKind.SMS
    concurrency = 2

    def __init__(self) -> None:
        self.sent: list[Push] = []

    async def send(self, address: PushAddress, push: Push) -> ProviderAnswer:
        self.sent.append(push)
        return DELIVERED

    async def close(self) -> None:
        return None


async def test_an_sms_says_nothing_of_anybody_and_comes_once_a_day(
    alice: Person, bob: Person, chat: str, apple: FakeApns, working: Working, database: Database
) -> None:
    await reach(database, bob, SmsAddress(bob.number))
    texts = Texts()
    await alice.say(chat, "The secret")
    await eventually(lambda: is_settled(database))
    [wait] = [row[0] for row in await database.fetch(WAITS)]
    assert timedelta(minutes=59) < wait <= timedelta(hours=1)
    await pass_time(database)
    async with working(texts):
        await eventually(lambda: texts.sent and is_settled(database))
        await alice.say(chat, "Another")
        await eventually(lambda: is_settled(database))
        await database.execute("UPDATE jobs SET due_at = now()")
        await eventually(lambda: is_settled(database))

    assert [(push.title, push.body) for push in texts.sent] == [("1 unread message", None)]
    [wait] = [row[0] for row in await database.fetch(WAITS)]
    assert timedelta(hours=23) < wait <= timedelta(hours=24)
