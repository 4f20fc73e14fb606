"""What the providers are told of us; read with all other settings, so it imports none of them."""

from dataclasses import dataclass, field

APNS_URL = "https://api.push.apple.com"
APNS_SANDBOX_URL = "https://api.sandbox.push.apple.com"
FCM_URL = "https://fcm.googleapis.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """A provider whose key is None is off. Keys are texts, not paths."""

    apns_url: str = APNS_URL
    apns_sandbox_url: str = APNS_SANDBOX_URL
    # The .p8 file (PEM)
    apns_key: str | None = field(default=None, repr=False)
    apns_key_id: str | None = None
    apns_team_id: str | None = None
    fcm_url: str = FCM_URL
    # The service account's JSON file
    fcm_service_account: str | None = field(default=None, repr=False)
    # VAPID: PEM, or 32 bytes in base64url
    web_push_private_key: str | None = field(default=None, repr=False)
    # Who answers for what we send: mailto: or https:
    web_push_subject: str | None = None
    # Tests and development alone: endpoints on loopback, by http
    web_push_allow_internal: bool = False
    # smtp://user:password@host:port or smtps://
    smtp_url: str | None = field(default=None, repr=False)
    # None: demanded where there is a password, else used where it is offered
    smtp_start_tls: bool | None = None
    mail_from: str | None = None
    # The countries that get SMS, codes included, as ISO 3166 codes; None: all
    sms_countries: frozenset[str] | None = None
    sms_enabled: bool = False
    sns_region: str = "us-east-1"
    sns_endpoint_url: str | None = None
    # None: boto3 finds its own
    aws_access_key_id: str | None = None
    aws_secret_access_key: str | None = field(default=None, repr=False)
    # Of every request
    deadline_s: float = 10.0
