"""E-mail: what a mail server takes and the recipient reads, and what becomes of its answers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from models.push.addresses import EmailAddress
from models.push.mails import CodeMail
from tests.push.fakes.smtp import FakeSmtp
from tests.push.fakes.tls import make_tls
from tests.push.providers.pushing import make_push
from tests.waiting import eventually
from workers.push.providers.mail import Mail
from workers.push.providers.pushes import DELIVERED, PushOutcome

BOB = EmailAddress("bob@example.org")
MakeMail = Callable[..., Mail]
StartSmtp = Callable[..., Awaitable[FakeSmtp]]


@pytest_asyncio.fixture
async def start() -> AsyncIterator[StartSmtp]:
    """Starts a mail server: `await start(demands=True)`."""
    async with AsyncExitStack() as servers:

        async def started(**changes: Any) -> FakeSmtp:
            fake = FakeSmtp(**changes)
            await fake.start()
            servers.push_async_callback(fake.close)
            return fake

        yield started


@pytest_asyncio.fixture
async def server(start: StartSmtp) -> FakeSmtp:
    return await start()


@pytest_asyncio.fixture
async def make_mail(server: FakeSmtp) -> AsyncIterator[MakeMail]:
    opened: list[Mail] = []

    def make(**changes: Any) -> Mail:
        sender = "Parley <parley@example.com>"
        opened.append(Mail(**{"url": server.url, "sender": sender, **changes}))
        return opened[-1]

    yield make
    for mail in opened:
        await mail.close()


@pytest.fixture
def mail(make_mail: MakeMail) -> Mail:
    return make_mail()


# -------------------------------------------------------------------- what is sent


async def test_sends_a_digest(mail: Mail, server: FakeSmtp) -> None:
    push = make_push(title="3 unread messages", body="Alice: 2\nDev team: 1\n.hidden\nÄpfel 🍎")

    assert await mail.send(BOB, push) == DELIVERED

    [accepted] = server.accepted
    assert (accepted.sender, accepted.recipient) == ("parley@example.com", "bob@example.org")
    assert accepted.mail["From"] == "Parley <parley@example.com>"
    assert accepted.mail["To"] == "bob@example.org"
    assert accepted.mail["Subject"] == "3 unread messages"
    assert accepted.mail.get_content_type() == "text/plain"
    lines = ["Alice: 2", "Dev team: 1", ".hidden", "Äpfel 🍎"]
    assert accepted.mail.get_content().splitlines() == lines
    assert accepted.mail["Auto-Submitted"] == "auto-generated"
    assert "List-Unsubscribe" not in accepted.mail


async def test_is_one_conversation_for_a_channel(mail: Mail, server: FakeSmtp) -> None:
    for thread in ("one", "one", "another"):
        await mail.send(BOB, make_push(thread=thread))
    one, again, another = (accepted.mail for accepted in server.accepted)
    assert one["References"] == one["In-Reply-To"] == again["References"] != another["References"]
    assert one["Message-ID"] != again["Message-ID"]


async def test_names_itself_the_same_when_it_is_sent_again(mail: Mail, server: FakeSmtp) -> None:
    push = make_push()
    for _ in range(2):
        await mail.send(BOB, push)
    one, again = (accepted.mail["Message-ID"] for accepted in server.accepted)
    assert one == again
    assert one.endswith("@example.com>")


async def test_says_how_to_be_left_in_peace(mail: Mail, server: FakeSmtp) -> None:
    """One click, as RFC 8058 has it; and the same address for a reader."""
    await mail.send(BOB, make_push(unsubscribe_url="https://example.com/u?t=1"))

    [accepted] = server.accepted
    assert accepted.mail["List-Unsubscribe"] == "<https://example.com/u?t=1>"
    assert accepted.mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "No more of these mails: https://example.com/u?t=1" in accepted.mail.get_content()


async def test_sends_a_code_that_names_nobody(mail: Mail, server: FakeSmtp) -> None:
    code = CodeMail("a" * 32, "bob@example.org", "012345", "b" * 32, 3599.0)

    for _ in range(2):
        assert await mail.send_code(code, "https://example.com/u/1") == DELIVERED

    one, again = (accepted.mail for accepted in server.accepted)
    assert (one["To"], one["Subject"]) == (
        "bob@example.org",
        "012345 is your code to confirm this address",
    )
    assert "It works for 59 minutes." in one.get_content()
    assert one["List-Unsubscribe"] == "<https://example.com/u/1>"
    assert one["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert one["Message-ID"] == again["Message-ID"]
    assert one.get_content_type() == "text/plain"


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\u2028", "\x85"])
async def test_makes_no_header_of_a_text(mail: Mail, server: FakeSmtp, end: str) -> None:
    evil = f"Hi{end}Bcc: eve@example.net{end}{end}body"
    push = make_push(title=evil, body=evil, unsubscribe_url=f"https://x{end}Bcc: eve@example.net")
    assert await mail.send(BOB, push) == DELIVERED
    [accepted] = server.accepted
    assert "Bcc" not in accepted.mail
    assert "List-Unsubscribe" not in accepted.mail
    assert accepted.recipient == "bob@example.org"


@pytest.mark.parametrize(
    "address",
    [
        "bob@example.org>\r\nRCPT TO:<eve@example.net",
        "bob@example.org, eve@example.net",
        "Bob <bob@example.org>",
        "bob",
        "",
        "bob@" + "x" * 260,
        "böb@example.org",
    ],
)
async def test_writes_to_no_odd_address(mail: Mail, server: FakeSmtp, address: str) -> None:
    answer = await mail.send(EmailAddress(address), make_push())
    assert (answer.outcome, answer.said) == (PushOutcome.GONE, "no address")
    assert server.opened == 0


async def test_takes_no_mail_back(mail: Mail, server: FakeSmtp) -> None:
    assert await mail.send(BOB, make_push(silent=True)) == DELIVERED
    assert server.opened == 0


# -------------------------------------------------------------------- its answers


@pytest.mark.parametrize(
    ("verb", "said", "outcome", "repeated"),
    [
        ("RCPT", "550 5.1.1 <bob@example.org>: no such user", PushOutcome.GONE, "550 5.1.1"),
        ("RCPT", "556 5.1.10 no mail here", PushOutcome.GONE, "556 5.1.10"),
        ("RCPT", "550 5.7.1 <bob@example.org>: go away", PushOutcome.REJECTED, "550 5.7.1"),
        ("RCPT", "550 bob@example.org unknown", PushOutcome.REJECTED, "550"),
        ("RCPT", "450 4.2.1 later", PushOutcome.RETRY, "450 4.2.1"),
        ("RCPT", "452 4.2.2 full", PushOutcome.RETRY, "452 4.2.2"),
        ("MAIL", "451 4.3.0 later", PushOutcome.RETRY, "451 4.3.0"),
        ("MAIL", "550 5.1.1 not about the recipient", PushOutcome.REJECTED, "550 5.1.1"),
        ("DATA", "421 4.7.0 slow down", PushOutcome.RETRY, "421 4.7.0"),
        ("DATA", "554 5.7.1 spam", PushOutcome.REJECTED, "554 5.7.1"),
        ("EHLO", "421 busy", PushOutcome.RETRY, "421"),
        ("RCPT", "cut", PushOutcome.RETRY, "not reached"),
        ("DATA", "cut", PushOutcome.RETRY, "not reached"),
    ],
)
async def test_understands_what_the_server_answers(
    mail: Mail, server: FakeSmtp, verb: str, said: str, outcome: PushOutcome, repeated: str
) -> None:
    server.say[verb] = said
    answer = await mail.send(BOB, make_push())
    assert (answer.outcome, answer.said) == (outcome, repeated)
    server.say.clear()
    assert await mail.send(BOB, make_push()) == DELIVERED


@pytest.mark.parametrize("verb", ["EHLO", "MAIL", "DATA"])
async def test_gives_a_silent_server_up_in_time(
    make_mail: MakeMail, server: FakeSmtp, verb: str
) -> None:
    mail = make_mail(deadline_s=0.1)
    server.say[verb] = "hang"
    answer = await mail.send(BOB, make_push())
    assert (answer.outcome, answer.said) == (PushOutcome.RETRY, "no answer in time")


async def test_reaches_nobody_and_says_so(make_mail: MakeMail) -> None:
    answer = await make_mail(url="smtp://127.0.0.1:9").send(BOB, make_push())
    assert (answer.outcome, answer.said) == (PushOutcome.RETRY, "not reached")


# -------------------------------------------------------------------- the connection


async def test_keeps_its_connection(mail: Mail, server: FakeSmtp) -> None:
    for _ in range(3):
        await mail.send(BOB, make_push())
    server.say["RCPT"] = "550 5.1.1 no"
    await mail.send(BOB, make_push())
    server.say.clear()
    assert await mail.send(BOB, make_push()) == DELIVERED
    assert server.opened == 1


async def test_opens_another_when_the_server_has_ended_it(mail: Mail, server: FakeSmtp) -> None:
    await mail.send(BOB, make_push())
    server.cut()
    assert await mail.send(BOB, make_push()) == DELIVERED
    assert server.opened == 2


async def test_opens_no_more_than_it_may(make_mail: MakeMail, server: FakeSmtp) -> None:
    mail = make_mail(concurrency=3)
    answers = await asyncio.gather(*(mail.send(BOB, make_push()) for _ in range(20)))
    assert set(answers) == {DELIVERED}
    assert server.opened == 3
    assert len({one.mail["Message-ID"] for one in server.accepted}) == 20


async def test_leaves_nothing_behind_when_it_is_stopped(mail: Mail, server: FakeSmtp) -> None:
    server.say["DATA"] = "hang"
    sending = asyncio.create_task(mail.send(BOB, make_push()))
    await eventually(lambda: "DATA" in server.verbs)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    server.say.clear()
    assert await mail.send(BOB, make_push()) == DELIVERED
    assert server.opened == 2


# -------------------------------------------------------------------- TLS and passwords


@pytest.mark.parametrize("implicit", [False, True])
async def test_signs_in_under_tls(
    start: StartSmtp, make_mail: MakeMail, tmp_path: Path, implicit: bool
) -> None:
    tls = make_tls(tmp_path, "127.0.0.1")
    server = await start(tls=tls.server, implicit=implicit, demands=True)
    assert await make_mail(url=server.url, tls=tls.client).send(BOB, make_push()) == DELIVERED
    assert server.accepted[0].encrypted


async def test_tells_no_password_to_a_server_without_tls(
    start: StartSmtp, make_mail: MakeMail
) -> None:
    server = await start(demands=True)
    answer = await make_mail(url=server.url).send(BOB, make_push())
    assert (answer.outcome, answer.said) == (PushOutcome.REJECTED, "504")
    assert "AUTH" not in server.verbs


async def test_encrypts_where_it_can(start: StartSmtp, make_mail: MakeMail, tmp_path: Path) -> None:
    tls = make_tls(tmp_path, "127.0.0.1")
    server = await start(tls=tls.server)
    for start_tls in (None, False):
        mail = make_mail(url=server.url, tls=tls.client, start_tls=start_tls)
        assert await mail.send(BOB, make_push()) == DELIVERED
    assert [one.encrypted for one in server.accepted] == [True, False]


async def test_is_set_aside_when_its_password_is_wrong(
    start: StartSmtp, make_mail: MakeMail, tmp_path: Path
) -> None:
    tls = make_tls(tmp_path, "127.0.0.1")
    server = await start(tls=tls.server, demands=True)
    mail = make_mail(url=server.url.replace("password", "passport"), tls=tls.client)
    answer = await mail.send(BOB, make_push())
    assert (answer.outcome, answer.said) == (PushOutcome.REJECTED, "535 5.7.8")


@pytest.mark.parametrize(
    ("url", "sender"),
    [
        ("http://mail.example", "parley@example.com"),
        ("smtp://", "parley@example.com"),
        ("smtp://mail.example", "nobody"),
        ("smtp://mail.example", "parley@example.com\r\nX:"),
    ],
)
def test_refuses_settings_that_no_server_takes(url: str, sender: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        Mail(url=url, sender=sender)
