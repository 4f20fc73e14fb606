"""The providers together: what is on, what is off, and what none of them writes down."""

import asyncio
import logging
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import msgspec
import pytest
import pytest_asyncio

from models.push.addresses import PushEndpointKind
from parley.logs import configure_logging
from tests.push.fakes.all import Fakes, start_fakes
from tests.push.fakes.http2 import Reply
from tests.push.providers.pushing import make_push
from workers.push.providers.providers import Providers, open_providers
from workers.push.providers.pushes import DELIVERED, PushOutcome
from workers.push.providers.settings import ProviderSettings

KINDS = set(PushEndpointKind)


@pytest_asyncio.fixture
async def fakes() -> AsyncIterator[Fakes]:
    async with start_fakes() as fakes:
        yield fakes


@pytest_asyncio.fixture
async def providers(fakes: Fakes) -> AsyncIterator[Providers]:
    opened = open_providers(fakes.settings())
    yield opened
    await opened.close()


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """All that is logged at the finest level that an operator can choose."""
    root = logging.getLogger()
    handlers, level, hooks = list(root.handlers), root.level, (sys.excepthook, threading.excepthook)
    configure_logging(development=False, level=logging.DEBUG)
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    root.handlers[:] = [Kept()]
    yield lines
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook, threading.excepthook = hooks


async def test_send_to_each_kind_of_endpoint(providers: Providers, fakes: Fakes) -> None:
    assert {provider.kind for provider in providers} == KINDS
    for endpoint in fakes.endpoints():
        assert await providers.send(endpoint, make_push()) == DELIVERED
        assert await providers.send(endpoint, make_push(silent=True)) == DELIVERED
    counts = [len(fake.accepted) for fake in (fakes.apns, fakes.fcm, fakes.web_push)]
    assert counts == [2, 2, 2]
    assert (len(fakes.smtp.accepted), len(fakes.sns.accepted)) == (1, 1)


async def test_are_off_unless_they_are_configured(fakes: Fakes) -> None:
    providers = open_providers(ProviderSettings())
    assert list(providers) == []
    for endpoint in fakes.endpoints():
        answer = await providers.send(endpoint, make_push())
        assert (answer.outcome, answer.said) == (PushOutcome.REJECTED, "not configured")


@pytest.mark.parametrize(
    "missing", ["apns_key_id", "apns_team_id", "web_push_subject", "mail_from"]
)
async def test_say_what_is_missing(fakes: Fakes, missing: str) -> None:
    with pytest.raises(ValueError, match="must come with"):
        open_providers(replace(fakes.settings(), **{missing: None}))  # type: ignore[arg-type]


async def test_do_not_wait_for_one_that_hangs(providers: Providers, fakes: Fakes) -> None:
    fakes.apns.hang()
    apple, *others = fakes.endpoints()
    hanging = asyncio.create_task(providers.send(apple, make_push()))
    for endpoint in others:
        assert await providers.send(endpoint, make_push()) == DELIVERED
    assert not hanging.done()
    await providers.close()
    assert (await hanging).outcome is PushOutcome.RETRY


async def test_log_no_address_no_text_and_no_token(
    providers: Providers, fakes: Fakes, logged: list[str]
) -> None:
    endpoints = fakes.endpoints()
    fakes.apns.answer_instead(Reply(500), times=1)
    fakes.smtp.say["RCPT"] = "451 4.3.0 bob@example.org later"
    for endpoint in (*endpoints, *endpoints):
        await providers.send(endpoint, make_push(body="a secret text"))
        fakes.smtp.say.clear()
    secrets = [str(value) for endpoint in endpoints for value in msgspec.structs.astuple(endpoint)]
    secrets = [secret for secret in secrets if len(secret) > 8]
    # The beginning of a JWT, and where a push service keeps a message.
    secrets += ["a secret text", "eyJ", "/m/1"]
    told = "\n".join(logged)
    assert not [secret for secret in secrets if secret in told]


def test_show_no_secret_of_their_settings() -> None:
    settings = ProviderSettings(
        apns_key="secret", fcm_service_account="secret", smtp_url="smtp://u:secret@h"
    )
    assert "secret" not in repr(settings)
