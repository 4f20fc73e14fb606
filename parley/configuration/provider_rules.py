"""Checks the settings of push providers, and completes them for development."""

import base64
import dataclasses
import hashlib
from collections.abc import Iterator

from parley.configuration.variables import Wrong
from workers.push.providers.settings import ProviderSettings


def find_wrong_providers(providers: ProviderSettings) -> Iterator[Wrong]:
    """Find which settings of providers lack others."""
    needed = {
        ("PARLEY_APNS_KEY", "PARLEY_APNS_KEY_ID"): (providers.apns_key, providers.apns_key_id),
        ("PARLEY_APNS_KEY", "PARLEY_APNS_TEAM_ID"): (providers.apns_key, providers.apns_team_id),
        ("PARLEY_SMTP_URL", "PARLEY_MAIL_FROM"): (providers.smtp_url, providers.mail_from),
        ("PARLEY_WEB_PUSH_PRIVATE_KEY", "PARLEY_WEB_PUSH_SUBJECT"): (
            providers.web_push_private_key,
            providers.web_push_subject,
        ),
    }
    for (name, other), (value, needs) in needed.items():
        if value is not None and needs is None:
            yield Wrong(other, f"{other} must be set where {name} is.")


def complete_for_development(providers: ProviderSettings, secret: str) -> ProviderSettings:
    """Let browsers be pushed to without a key that is set: one follows from the secret."""
    if not secret or providers.web_push_private_key is not None:
        return providers
    key = hashlib.sha256(b"parley web push " + secret.encode()).digest()
    return dataclasses.replace(
        providers,
        web_push_private_key=base64.urlsafe_b64encode(key).decode(),
        web_push_subject=providers.web_push_subject or "mailto:development@parley.invalid",
    )
