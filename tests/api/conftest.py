"""What tests of the API share."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from models.postgresql.database import Database
from parley.settings import Settings
from tests.api.budgeting import BUDGETS
from tests.make import Person
from tests.push.fakes.apns import FakeApns
from tests.push.fakes.fcm import FakeFcm
from tests.serving import Server, serve
from tests.uploading import make_media
from workers.push.providers.settings import ProviderSettings

VAPID_KEY = base64.urlsafe_b64encode(bytes(31) + b"\x01").decode()


@pytest_asyncio.fixture
async def media_id(database: Database, alice: Person) -> str:
    """A picture of Alice's that is ready."""
    return await make_media(database, alice)


@pytest_asyncio.fixture(scope="session")
async def pushing_node(settings: Settings) -> AsyncIterator[Server]:
    apple, google = FakeApns(), FakeFcm()
    providers = ProviderSettings(
        apns_key=apple.key,
        apns_key_id="ABC123DEFG",
        apns_team_id="DEF123GHIJ",
        fcm_service_account=google.service_account,
        web_push_private_key=VAPID_KEY,
        web_push_subject="mailto:push@mail.example",
        smtp_url="smtp://127.0.0.1:9",
        mail_from="parley@mail.example",
        sms_enabled=True,
    )
    async with serve(replace(settings, providers=providers)) as node:
        yield node


@pytest.fixture
def bob_pushed(pushing_node: Server, bob: Person) -> Person:
    """Bob at a node where every kind of push is configured."""
    return bob.at(pushing_node)


@pytest_asyncio.fixture(scope="module")
async def production(settings: Settings) -> AsyncIterator[tuple[Server, Server]]:
    """As they ship, but for the pause after a refusal, for these tests try on and on; and that
    tokens come back more slowly.
    """
    limits = replace(settings.limits, **BUDGETS, refusal_pause_s=0)
    strict = replace(settings, limits=limits, trusted_proxies=("127.0.0.1",))
    async with serve(strict) as one, serve(strict) as other:
        yield one, other


@pytest_asyncio.fixture
async def everywhere(alice: Person, production: tuple[Server, Server]) -> list[Person]:
    """Alice at both nodes."""
    return [alice.at(node) for node in production]
