"""Settings under which every kind of push is configured, and none is sent."""

import base64

from tests.push.fakes.apns import FakeApns
from tests.push.fakes.fcm import FakeFcm
from workers.push.providers.settings import ProviderSettings

VAPID_KEY = base64.urlsafe_b64encode(bytes(31) + b"\x01").decode()


def every_provider() -> ProviderSettings:
    apple, google = FakeApns(), FakeFcm()
    return ProviderSettings(
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
