"""Declares what the push providers are told of us. It is read with all other settings, so it
imports none of them.
"""

from dataclasses import dataclass, field

from models.limits.variables import (
    read_switch,
    read_text,
    read_words,
    text_or_file,
    url,
    variable,
)
from models.users.sms_numbers import COUNTRIES

APNS_URL = "https://api.push.apple.com"
APNS_SANDBOX_URL = "https://api.sandbox.push.apple.com"
FCM_URL = "https://fcm.googleapis.com"
_HTTP_URL = url("http://", "https://")


def _read_countries(text: str) -> frozenset[str] | None:
    words = frozenset(word.upper() for word in read_words(text))
    for word in sorted(words - COUNTRIES):
        raise ValueError(f"must be ISO 3166 codes of countries (US, DE), which {word!r} is not.")
    return words or None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """A provider whose key is None is off. Keys are texts, not paths."""

    sms_countries: frozenset[str] | None = variable(
        None,
        _read_countries,
        "ISO codes (`US, DE`) of the countries whose numbers get SMS, and so can sign in; set it "
        "to where your people are",
        shown="all",
    )
    apns_key: str | None = variable(
        None,
        text_or_file("-----BEGIN"),
        "the .p8 file for APNs, its text or its path; without it, no push by APNs",
        secret=True,
    )
    apns_key_id: str | None = variable(None, read_text, "the id of APNs' key")
    apns_team_id: str | None = variable(None, read_text, "the Apple team that APNs' key is of")
    apns_url: str = variable(APNS_URL, _HTTP_URL, "where APNs is", shown="Apple's")
    apns_sandbox_url: str = variable(
        APNS_SANDBOX_URL, _HTTP_URL, "where APNs' sandbox is", shown="Apple's"
    )
    fcm_service_account: str | None = variable(
        None,
        text_or_file("{"),
        "the service account's JSON file for FCM, its text or its path; without it, no push by FCM",
        secret=True,
    )
    fcm_url: str = variable(FCM_URL, _HTTP_URL, "where FCM is", shown="Google's")
    web_push_private_key: str | None = variable(
        None,
        read_text,
        "VAPID's key, PEM or base64url; without it no Web Push, but `development` makes one",
        secret=True,
    )
    web_push_subject: str | None = variable(
        None, url("mailto:", "https://"), "who answers for Web Push: `mailto:…` or `https://…`"
    )
    web_push_allow_internal: bool = variable(
        False,
        read_switch,
        "`1`, in development only: Web Push to internal addresses",
        name="PARLEY_WEB_PUSH_INTERNAL",
    )
    smtp_url: str | None = variable(
        None,
        url("smtp://", "smtps://"),
        "`smtp://user:password@host:port` or `smtps://…`; without it, no e-mail",
        secret=True,
    )
    # None: demanded where there is a password, else used where it is offered
    smtp_start_tls: bool | None = None
    mail_from: str | None = variable(None, read_text, "the sender of e-mails")
    sms_enabled: bool = variable(
        False, read_switch, "`1` pushes by SMS, too, as the last resort", name="PARLEY_PUSH_SMS"
    )
    sns_endpoint_url: str | None = variable(
        None, _HTTP_URL, "where Amazon SNS is", name="PARLEY_SNS_URL", shown="Amazon's"
    )
    # The same as those of storage; without a key, boto3 finds its own.
    sns_region: str = "us-east-1"
    aws_access_key_id: str | None = None
    aws_secret_access_key: str | None = field(default=None, repr=False)
    # Of every request
    deadline_s: float = 10.0
