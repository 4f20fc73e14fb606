"""Every provider's fake, and the settings that lead to them."""

import base64
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from models.push.addresses import ApnsAddress, EmailAddress, FcmAddress, PushAddress, SmsAddress
from tests.push.fakes.apns import KEY_ID, TEAM_ID, TOPIC, FakeApns
from tests.push.fakes.fcm import FakeFcm
from tests.push.fakes.smtp import FakeSmtp
from tests.push.fakes.sns import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, FakeSns
from tests.push.fakes.web_push import FakeWebPush
from workers.push.providers.settings import ProviderSettings


@dataclass(frozen=True)
class Fakes:
    apns: FakeApns
    fcm: FakeFcm
    web_push: FakeWebPush
    smtp: FakeSmtp
    sns: FakeSns

    def settings(self) -> ProviderSettings:
        return ProviderSettings(
            apns_url=self.apns.url,
            apns_sandbox_url=self.apns.url,
            apns_key=self.apns.key,
            apns_key_id=KEY_ID,
            apns_team_id=TEAM_ID,
            fcm_url=self.fcm.url,
            fcm_service_account=self.fcm.service_account,
            web_push_private_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            web_push_subject="mailto:ops@example.com",
            web_push_allow_internal=True,
            smtp_url=self.smtp.url,
            mail_from="Parley <parley@example.com>",
            sms_enabled=True,
            sns_region=REGION,
            sns_endpoint_url=self.sns.url,
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
        )

    def endpoints(self) -> list[PushAddress]:
        """One of each kind, that its provider knows."""
        return [
            ApnsAddress("ab" * 32, TOPIC),
            FcmAddress("fcm-token:" + "x" * 120),
            self.web_push.subscribe(),
            EmailAddress("bob@example.org"),
            SmsAddress("+14155550101"),
        ]


@asynccontextmanager
async def start_fakes() -> AsyncIterator[Fakes]:
    fakes = Fakes(FakeApns(), FakeFcm(), FakeWebPush(), FakeSmtp(), FakeSns())
    async with AsyncExitStack() as stack:
        for fake in (fakes.apns, fakes.fcm, fakes.web_push, fakes.smtp, fakes.sns):
            await fake.start()
            stack.push_async_callback(fake.close)
        yield fakes
