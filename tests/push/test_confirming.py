"""A code by mail, from the job to the mailbox, and the digests that follow it."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from models import ids
from models.jobs.queue import JobQueue
from models.limits.limits import Limits
from models.postgresql.database import Database
from models.push.addresses import EmailAddress
from models.push.endpoints import set_endpoint
from models.push.mails import confirm_mail
from models.tokens import Tokens
from tests.confirming import confirm
from tests.jobs.running import PATIENT_S
from tests.make import Person
from tests.push.fakes.smtp import FakeSmtp
from tests.push.phones import is_settled
from tests.push.test_digests import pass_time
from tests.waiting import eventually
from workers.jobs.runner import Jobs
from workers.push.mail_code_job import MailCodeJobs
from workers.push.providers.mail import Mail
from workers.push.providers.mail_links import MailLinks
from workers.push.registration import register_push

MAIL = "bob@mail.example"
PUBLIC_URL = "https://chat.example"
WAITING = "SELECT count(*) FROM jobs WHERE state = 'waiting' AND kind = 'push_mail_code'"

Working = Callable[[], AbstractAsyncContextManager[None]]


@pytest_asyncio.fixture
async def post(database: Database) -> AsyncIterator[FakeSmtp]:
    await database.execute("DELETE FROM jobs")
    fake = FakeSmtp()
    await fake.start()
    yield fake
    await fake.close()
    await database.execute("DELETE FROM jobs")


@pytest.fixture
def working(database_url: str, database: Database, post: FakeSmtp, tokens: Tokens) -> Working:
    """`async with working():` a worker runs that mails."""

    @asynccontextmanager
    async def work() -> AsyncIterator[None]:
        mail = Mail(url=post.url, sender="parley@mail.example")
        links = MailLinks(tokens, PUBLIC_URL)
        queue = await JobQueue.open(database_url, ids.new_id())
        jobs = Jobs(queue, silent_s=PATIENT_S)
        loops = register_push(jobs, database, [mail], Limits(), links=links)
        MailCodeJobs(database, mail, tokens, links, note=lambda _, __: None).register(jobs)
        jobs.start()
        loops.start()
        try:
            yield
        finally:
            await jobs.close()
            await loops.close()
            await queue.close()
            await mail.close()

    return work


async def set_mail(database: Database, bob: Person, mail: str = MAIL) -> None:
    await set_endpoint(
        database, bob.user.id, bob.inner_device_id, EmailAddress(mail), now=datetime.now(UTC)
    )


def link_of(post: FakeSmtp, number: int) -> str:
    return str(post.accepted[number].mail["List-Unsubscribe"]).strip("<>")


async def test_the_code_of_the_mail_opens_the_way_for_digests(
    alice: Person,
    bob: Person,
    chat: str,
    post: FakeSmtp,
    working: Working,
    database: Database,
    tokens: Tokens,
) -> None:
    await alice.say(chat, "Before it is set")
    await set_mail(database, bob)
    await alice.say(chat, "Before it is confirmed")
    async with working():
        await eventually(lambda: post.accepted)
        await pass_time(database)
        await eventually(lambda: is_settled(database))
        [code_mail] = post.accepted
        assert code_mail.recipient == MAIL
        assert "Alice" not in str(code_mail.mail)
        code = re.match(r"\d{6}", str(code_mail.mail["Subject"]))
        assert code

        await confirm_mail(database, tokens, bob.user.id, MAIL, code[0], now=datetime.now(UTC))
        await alice.say(chat, "After it is confirmed")
        await pass_time(database)
        await eventually(lambda: len(post.accepted) == 2)

    digest = post.accepted[1].mail
    assert "3 unread messages" in str(digest["Subject"])
    assert "Alice (3)" in digest.get_content()
    assert digest["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    tokens_of = [link_of(post, number).rpartition("/") for number in range(2)]
    assert [base for base, _, _ in tokens_of] == [f"{PUBLIC_URL}/unsubscribe"] * 2
    claims = [tokens.read_unsubscribe(token) for _, _, token in tokens_of]
    assert [each and (each.user_id, each.refuse) for each in claims] == [
        (bob.user.id, True),
        (bob.user.id, False),
    ]


async def test_a_digest_that_waits_goes_to_no_address_that_was_set_meanwhile(
    alice: Person,
    bob: Person,
    chat: str,
    post: FakeSmtp,
    working: Working,
    database: Database,
    tokens: Tokens,
) -> None:
    await set_mail(database, bob)
    await confirm(database, tokens, bob, MAIL)
    await alice.say(chat, "Hello?")
    async with working():
        await eventually(lambda: is_settled(database))
        await set_mail(database, bob, "unconfirmed@mail.example")
        await eventually(lambda: post.accepted)
        await pass_time(database)
        await eventually(lambda: is_settled(database))

    [only] = post.accepted
    assert "is your code to confirm this address" in str(only.mail["Subject"])


async def test_a_code_that_the_mail_server_did_not_take_is_sent_again(
    bob: Person, post: FakeSmtp, working: Working, database: Database
) -> None:
    await set_mail(database, bob)
    post.say["MAIL"] = "451 4.3.0 try again"

    async with working():
        await eventually(lambda: "MAIL" in post.verbs)
        await eventually(lambda: database.fetchval(WAITING))
        del post.say["MAIL"]
        await database.execute("UPDATE jobs SET due_at = now()")
        await eventually(lambda: post.accepted)


async def test_a_code_that_is_no_longer_needed_is_not_sent(
    bob: Person, post: FakeSmtp, working: Working, database: Database
) -> None:
    """As an hour later."""
    await set_mail(database, bob)
    await database.execute("UPDATE push_mails SET expires_at = now() - interval '1 s'")

    async with working():
        await eventually(lambda: is_settled(database))

    assert post.accepted == []
