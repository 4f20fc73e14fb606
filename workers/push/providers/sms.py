"""SMS by Amazon SNS: the last resort, off unless it is switched on. One-time codes go their own way
(`models/devices/sms.py`).

An SMS cannot be taken back, so a silent push sends none. boto3 blocks: it works in threads, no more
than may send at once.
"""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import BotoCoreError, ClientError

from models.devices.sms import SnsClient, open_sns_client, sms_attributes
from models.push.addresses import PushAddress, PushEndpointKind, SmsAddress
from models.refusals import Refused
from models.users.sms_numbers import SmsRules, require_sms_number
from workers.push.cutting import cut_to_bytes
from workers.push.providers.pushes import (
    DELIVERED,
    ProviderAnswer,
    Push,
    PushOutcome,
)

# What SNS takes, in as many parts as it needs; each part is paid for.
MAX_TEXT_BYTES = 600
CONNECT_S = 3.0

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_CODE = re.compile(r"[A-Za-z.]{1,60}", re.ASCII)
_KIND = sms_attributes("Promotional")
_OPTED_OUT = frozenset({"OptedOut", "OptedOutException"})
_INVALID = frozenset({"InvalidParameter", "InvalidParameterValue", "ValidationException"})
_LATER = frozenset(
    {"Throttling", "ThrottlingException", "Throttled", "ThrottledException", "TooManyRequests"}
)


class Sms:
    kind = PushEndpointKind.SMS

    def __init__(
        self,
        client: SnsClient,
        *,
        rules: SmsRules,
        concurrency: int = 8,
        deadline_s: float = 10.0,
    ) -> None:
        self._rules = rules
        self.concurrency = concurrency
        self._client = client
        self._deadline_s = deadline_s
        self._slots = asyncio.Semaphore(concurrency)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="sms")

    @classmethod
    def open(
        cls,
        *,
        region: str,
        endpoint_url: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        rules: SmsRules,
        concurrency: int = 8,
        deadline_s: float = 10.0,
    ) -> "Sms":
        """Open a client of SNS. It tries once: the job sends again what failed."""
        client = open_sns_client(
            region=region,
            endpoint_url=endpoint_url,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            connect_s=min(CONNECT_S, deadline_s),
            read_s=deadline_s,
            connections=concurrency,
        )
        return cls(client, rules=rules, concurrency=concurrency, deadline_s=deadline_s)

    async def send(self, address: PushAddress, push: Push) -> ProviderAnswer:
        assert isinstance(address, SmsAddress)
        number = address.phone_number
        if push.silent:
            return DELIVERED
        if not _NUMBER.fullmatch(number):
            return ProviderAnswer(PushOutcome.GONE, said="no number")
        try:
            require_sms_number(number, self._rules, "sms.phoneNumber")
        except Refused:
            # The list of countries is shorter than when it was set.
            return ProviderAnswer(PushOutcome.GONE, said="no SMS there")
        try:
            # The deadline is boto3's: a thread cannot be stopped, and keeps its slot until then.
            async with self._slots:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._threads, self._publish, number, compose(push))
        except ClientError as error:
            return _read(error)
        except BotoCoreError:
            return ProviderAnswer(PushOutcome.RETRY, said="not reached")
        return DELIVERED

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _publish(self, number: str, text: str) -> None:
        self._client.publish(PhoneNumber=number, Message=text, MessageAttributes=_KIND)


def compose(push: Push) -> str:
    text = ": ".join(part for part in (push.title, push.body) if part)
    return cut_to_bytes(text or "You have unread messages.", MAX_TEXT_BYTES)


def _read(error: ClientError) -> ProviderAnswer:
    """Its sentences name the number: its code alone is kept."""
    told = error.response.get("Error", {})
    # An empty element is None.
    code, sentence = told.get("Code") or "", told.get("Message") or ""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = code if _CODE.fullmatch(code) else str(status)
    about_number = "PhoneNumber" in sentence or "opted out" in sentence
    if code in _OPTED_OUT or (code in _INVALID and about_number):
        return ProviderAnswer(PushOutcome.GONE, said=said)
    if code in _LATER or status == 429 or status >= 500:
        return ProviderAnswer(PushOutcome.RETRY, said=said)
    return ProviderAnswer(PushOutcome.REJECTED, said=said)
