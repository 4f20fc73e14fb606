"""The providers that are configured, behind one face."""

import asyncio
from collections.abc import Iterable, Iterator

from models.push.addresses import PushAddress, PushEndpointKind, kind_of
from models.users.sms_numbers import SmsRules
from workers.push.providers.apns import Apns
from workers.push.providers.fcm import Fcm
from workers.push.providers.mail import Mail
from workers.push.providers.pushes import Provider, ProviderAnswer, Push, PushOutcome
from workers.push.providers.settings import ProviderSettings
from workers.push.providers.sms import Sms
from workers.push.providers.web_push import WebPush


class Providers:
    """Those that are on, at most one of a kind."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        self._providers = {provider.kind: provider for provider in providers}

    def __iter__(self) -> Iterator[Provider]:
        return iter(self._providers.values())

    def find(self, kind: PushEndpointKind) -> Provider | None:
        return self._providers.get(kind)

    async def send(self, address: PushAddress, push: Push) -> ProviderAnswer:
        provider = self.find(kind_of(address))
        if provider is None:
            return ProviderAnswer(PushOutcome.REJECTED, said="not configured")
        return await provider.send(address, push)

    async def close(self) -> None:
        await asyncio.gather(*(provider.close() for provider in self))


def open_providers(settings: ProviderSettings) -> Providers:
    """Nothing is connected to before something is sent.

    Raises:
        ValueError: one sentence: what is missing or wrong.
    """
    found = (
        _find_apns(settings),
        _find_fcm(settings),
        _find_web_push(settings),
        _find_mail(settings),
        _find_sms(settings),
    )
    return Providers(provider for provider in found if provider is not None)


def _find_apns(settings: ProviderSettings) -> Apns | None:
    if settings.apns_key is None:
        return None
    if settings.apns_key_id is None or settings.apns_team_id is None:
        raise ValueError("the APNs key must come with its key id and its team id")
    return Apns(
        key=settings.apns_key,
        key_id=settings.apns_key_id,
        team_id=settings.apns_team_id,
        url=settings.apns_url,
        sandbox_url=settings.apns_sandbox_url,
        deadline_s=settings.deadline_s,
    )


def _find_fcm(settings: ProviderSettings) -> Fcm | None:
    if settings.fcm_service_account is None:
        return None
    return Fcm(
        service_account=settings.fcm_service_account,
        url=settings.fcm_url,
        deadline_s=settings.deadline_s,
    )


def _find_web_push(settings: ProviderSettings) -> WebPush | None:
    if settings.web_push_private_key is None:
        return None
    if settings.web_push_subject is None:
        raise ValueError("the VAPID key must come with its subject")
    return WebPush(
        private_key=settings.web_push_private_key,
        subject=settings.web_push_subject,
        allow_internal=settings.web_push_allow_internal,
        deadline_s=settings.deadline_s,
    )


def _find_mail(settings: ProviderSettings) -> Mail | None:
    if settings.smtp_url is None:
        return None
    if settings.mail_from is None:
        raise ValueError("the SMTP server must come with a sender of mails")
    return Mail(
        url=settings.smtp_url,
        sender=settings.mail_from,
        start_tls=settings.smtp_start_tls,
        deadline_s=settings.deadline_s,
    )


def _find_sms(settings: ProviderSettings) -> Sms | None:
    if not settings.sms_enabled:
        return None
    return Sms.open(
        region=settings.sns_region,
        endpoint_url=settings.sns_endpoint_url,
        access_key_id=settings.aws_access_key_id,
        secret_access_key=settings.aws_secret_access_key,
        rules=SmsRules(settings.sms_countries),
        deadline_s=settings.deadline_s,
    )
