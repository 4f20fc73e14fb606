"""SMS: the senders of one-time codes, and the texts of those messages.

Nothing here logs: neither a number nor a text may reach a log.
"""

import asyncio
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from models.refusals import unavailable

_ENGLISH = (
    "{code} is your code to sign in to Parley. It works for {minutes} minutes. "
    "Do not give it to anybody."
)
# By the primary language of a BCP 47 tag; other languages get the English text. Each says what the
# code is for.
_TEXTS = {
    "ar": "{code} هو رمز تسجيل الدخول إلى Parley. صالح لمدة {minutes} دقائق. لا تعطه لأحد.",
    "de": "{code} ist dein Code zur Anmeldung bei Parley. Er gilt {minutes} Minuten. "
    "Gib ihn niemandem.",
    "en": _ENGLISH,
    "es": "{code} es tu código para entrar en Parley. Vale {minutes} minutos. "
    "No se lo des a nadie.",
    "fr": "{code} est votre code de connexion à Parley, valable {minutes} minutes. "
    "Ne le donnez à personne.",
    "hi": "{code} Parley में साइन इन करने का आपका कोड है। यह {minutes} मिनट तक मान्य है। इसे किसी को न दें।",
    "id": "{code} adalah kode Anda untuk masuk ke Parley. Berlaku {minutes} menit. "
    "Jangan berikan ke orang lain.",
    "pt": "{code} é o seu código para entrar no Parley. Vale por {minutes} minutos. "
    "Não o dê a ninguém.",
}


def code_text(code: str, language: str | None, *, ttl_s: int) -> str:
    """Return the text of the SMS, in the user's language if there is one, else in English."""
    primary = (language or "en").partition("-")[0].lower()
    return _TEXTS.get(primary, _ENGLISH).format(code=code, minutes=max(1, ttl_s // 60))


class SmsSender(Protocol):
    """Sends SMS through a provider."""

    async def send(self, number: str, text: str) -> None:
        """Hand one SMS over to the provider, in one try. It may not be delivered yet on return.

        Raises:
            Refused: UNAVAILABLE when it could not be handed over.
        """


class SnsClient(Protocol):
    """Describes the one call of boto3's SNS client that is used."""

    def publish(
        self, *, PhoneNumber: str, Message: str, MessageAttributes: dict[str, Any]
    ) -> Any: ...


def open_sns_client(
    *,
    region: str,
    endpoint_url: str | None,
    access_key_id: str | None,
    secret_access_key: str | None,
    connect_s: float,
    read_s: float,
    connections: int,
) -> SnsClient:
    """Open a client of Amazon SNS that tries each call once. Without keys, boto3 finds its own (a
    role, a profile).
    """
    config = Config(
        connect_timeout=connect_s,
        read_timeout=read_s,
        retries={"total_max_attempts": 1},
        max_pool_connections=connections,
    )
    client: SnsClient = boto3.client(
        "sns",
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        config=config,
    )
    return client


def sms_attributes(sms_type: str) -> dict[str, Any]:
    """Return SNS's attributes for an SMS of the type `Transactional` or `Promotional`."""
    return {"AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": sms_type}}


class DevelopmentSmsSender:
    """Sends nothing: in development the answer to `requestCode` holds the code."""

    async def send(self, number: str, text: str) -> None:
        return None


class SnsSmsSender:
    """Sends through Amazon SNS, in a thread, since boto3 blocks."""

    def __init__(self, client: SnsClient) -> None:
        self._client = client

    @classmethod
    def open(
        cls,
        *,
        region: str,
        endpoint_url: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
    ) -> "SnsSmsSender":
        """Open a client that tries each SMS once, well within a request's deadline (5 s). Without
        keys, boto3 looks for them itself (a role, a profile).
        """
        client = open_sns_client(
            region=region,
            endpoint_url=endpoint_url,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            connect_s=1.5,
            read_s=3,
            connections=32,
        )
        return cls(client)

    async def send(self, number: str, text: str) -> None:
        kind = sms_attributes("Transactional")
        try:
            await asyncio.to_thread(
                self._client.publish, PhoneNumber=number, Message=text, MessageAttributes=kind
            )
        except (BotoCoreError, ClientError):
            # Raised without its cause, since the error's text may hold the number.
            raise unavailable("The code could not be sent; try again.") from None
