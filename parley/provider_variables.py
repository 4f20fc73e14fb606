"""Reads the settings of push providers from an environment."""

import base64
import dataclasses
import hashlib
from collections.abc import Mapping

from parley.variables import SettingsError, read_countries, read_text, read_url
from workers.push.providers.settings import ProviderSettings

_HTTP = ("http://", "https://")


def read_providers(env: Mapping[str, str], *, development: bool, secret: str) -> ProviderSettings:
    """Read whom pushes go through.

    Raises:
        SettingsError: a value cannot be used, or another is missing beside it.
    """
    defaults = ProviderSettings()
    settings = ProviderSettings(
        apns_url=read_url(env, "PARLEY_APNS_URL", _HTTP) or defaults.apns_url,
        apns_sandbox_url=read_url(env, "PARLEY_APNS_SANDBOX_URL", _HTTP)
        or defaults.apns_sandbox_url,
        apns_key=read_text(env, "PARLEY_APNS_KEY", "-----BEGIN"),
        apns_key_id=env.get("PARLEY_APNS_KEY_ID") or None,
        apns_team_id=env.get("PARLEY_APNS_TEAM_ID") or None,
        fcm_url=read_url(env, "PARLEY_FCM_URL", _HTTP) or defaults.fcm_url,
        fcm_service_account=read_text(env, "PARLEY_FCM_SERVICE_ACCOUNT", "{"),
        web_push_private_key=env.get("PARLEY_WEB_PUSH_PRIVATE_KEY") or None,
        web_push_subject=read_url(env, "PARLEY_WEB_PUSH_SUBJECT", ("mailto:", "https://")),
        web_push_allow_internal=development and bool(env.get("PARLEY_WEB_PUSH_INTERNAL")),
        smtp_url=read_url(env, "PARLEY_SMTP_URL", ("smtp://", "smtps://")),
        mail_from=env.get("PARLEY_MAIL_FROM") or None,
        sms_countries=read_countries(env, "PARLEY_SMS_COUNTRIES"),
        sms_enabled=bool(env.get("PARLEY_PUSH_SMS")),
        sns_region=env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or defaults.sns_region,
        sns_endpoint_url=read_url(env, "PARLEY_SNS_URL", _HTTP),
        aws_access_key_id=env.get("AWS_ACCESS_KEY_ID") or None,
        aws_secret_access_key=env.get("AWS_SECRET_ACCESS_KEY") or None,
    )
    _require_with(settings.apns_key, "PARLEY_APNS_KEY", "PARLEY_APNS_KEY_ID", env)
    _require_with(settings.apns_key, "PARLEY_APNS_KEY", "PARLEY_APNS_TEAM_ID", env)
    _require_with(settings.smtp_url, "PARLEY_SMTP_URL", "PARLEY_MAIL_FROM", env)
    key = settings.web_push_private_key
    _require_with(key, "PARLEY_WEB_PUSH_PRIVATE_KEY", "PARLEY_WEB_PUSH_SUBJECT", env)
    return _with_web_push(settings, secret) if development and key is None else settings


def _with_web_push(settings: ProviderSettings, secret: str) -> ProviderSettings:
    """In development browsers can be pushed to as it is: the key follows from the secret."""
    if not secret:
        return settings
    key = hashlib.sha256(b"parley web push " + secret.encode()).digest()
    return dataclasses.replace(
        settings,
        web_push_private_key=base64.urlsafe_b64encode(key).decode(),
        web_push_subject=settings.web_push_subject or "mailto:development@parley.invalid",
    )


def _require_with(value: str | None, name: str, other: str, env: Mapping[str, str]) -> None:
    if value is not None and not env.get(other):
        raise SettingsError(f"{other} must be set where {name} is.")
