"""SMS: the seam through which one-time codes leave, and what they say.

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
# They name what the code is for. By the primary language of a BCP 47 tag; others read English.
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
    """What the SMS says, in the person's language where we have it."""
    primary = (language or "en").partition("-")[0].lower()
    return _TEXTS.get(primary, _ENGLISH).format(code=code, minutes=max(1, ttl_s // 60))


class SmsSender(Protocol):
    """Hands one SMS over to who delivers it. Answered means handed over, not delivered; it is not
    tried again.

    Raises:
        Refused: UNAVAILABLE when it could not be handed over.
    """

    async def send(self, number: str, text: str) -> None: ...


class SnsClient(Protocol):
    """The one call of boto3's SNS client that is used."""

    def publish(
        self, *, PhoneNumber: str, Message: str, MessageAttributes: dict[str, Any]
    ) -> Any: ...


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
        """Without keys, boto3 finds its own (a role, a profile). One try, well within a request's
        deadline.
        """
        config = Config(
            connect_timeout=1.5,
            read_timeout=3,
            retries={"total_max_attempts": 1},
            max_pool_connections=32,
        )
        client: SnsClient = boto3.client(
            "sns",
            region_name=region,
            endpoint_url=endpoint_url,
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            config=config,
        )
        return cls(client)

    async def send(self, number: str, text: str) -> None:
        kind = {"AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"}}
        try:
            await asyncio.to_thread(
                self._client.publish, PhoneNumber=number, Message=text, MessageAttributes=kind
            )
        except (BotoCoreError, ClientError):
            # Without its cause: the error's text may hold the number.
            raise unavailable("The code could not be sent; try again.") from None
