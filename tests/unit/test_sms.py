"""SMS: what a code's message says, and how it is handed to SNS."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from models.devices.sms import DevelopmentSmsSender, SnsSmsSender, code_text
from models.refusals import RefusalCode, Refused


class SnsRecorder:
    def __init__(self, failure: Exception | None = None) -> None:
        self.published: list[dict[str, Any]] = []
        self.failure = failure

    def publish(self, **message: Any) -> dict[str, str]:
        if self.failure is not None:
            raise self.failure
        self.published.append(message)
        return {"MessageId": "1"}


def test_says_the_code_and_its_life_in_the_language_asked_for() -> None:
    assert code_text("012345", "de", ttl_s=600) == (
        "012345 ist dein Code zur Anmeldung bei Parley. Er gilt 10 Minuten. Gib ihn niemandem."
    )
    assert code_text("012345", "pt-BR", ttl_s=600) == code_text("012345", "pt", ttl_s=600)


@pytest.mark.parametrize("language", [None, "en-GB", "tlh", "x-klingon"])
def test_is_english_otherwise(language: str | None) -> None:
    assert code_text("012345", language, ttl_s=600).startswith(
        "012345 is your code to sign in to Parley."
    )


async def test_goes_through_sns_as_transactional() -> None:
    client = SnsRecorder()

    await SnsSmsSender(client).send("+14155550101", "hello")

    assert client.published == [
        {
            "PhoneNumber": "+14155550101",
            "Message": "hello",
            "MessageAttributes": {
                "AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"}
            },
        }
    ]


@pytest.mark.parametrize(
    "failure",
    [
        EndpointConnectionError(endpoint_url="https://sns.invalid"),
        ClientError({"Error": {"Code": "Throttled", "Message": "+14155550101"}}, "Publish"),
    ],
)
async def test_that_sns_does_not_take_is_unavailable_and_names_no_number(
    failure: Exception,
) -> None:
    with pytest.raises(Refused) as caught:
        await SnsSmsSender(SnsRecorder(failure)).send("+14155550101", "hello")

    assert caught.value.code is RefusalCode.UNAVAILABLE
    assert "+1415" not in caught.value.reason
    assert caught.value.__cause__ is None


async def test_opens_a_client_that_finds_no_server_in_time() -> None:
    sender = SnsSmsSender.open(
        region="us-east-1",
        endpoint_url="http://127.0.0.1:9",
        access_key_id="key",
        secret_access_key="secret",
    )
    with pytest.raises(Refused) as caught:
        await sender.send("+14155550101", "hello")
    assert caught.value.code is RefusalCode.UNAVAILABLE


async def test_is_not_sent_in_development() -> None:
    await DevelopmentSmsSender().send("+14155550101", "hello")
