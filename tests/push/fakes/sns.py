"""A fake of SNS's query API, as boto3 speaks to it: the signature (SigV4) is computed again, and
the number is looked at.
"""

import asyncio
import contextlib
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

LOOPBACK, REGION = "127.0.0.1", "eu-west-1"
ACCESS_KEY_ID, SECRET_ACCESS_KEY = "AKIDEXAMPLE", "a secret key of the tests"
AUTHORIZATION = re.compile(
    rf"AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/\d{{8}}/{REGION}/sns/aws4_request, "
    r"SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})"
)
Fault = tuple[int, str, str]


@dataclass(frozen=True)
class Accepted:
    number: str
    text: str
    sms_type: str


@dataclass
class FakeSns:
    """`fault = (400, "Throttled", "Rate exceeded")`: its answer until it is None again."""

    opted_out: set[str] = field(default_factory=set)
    accepted: list[Accepted] = field(default_factory=list)
    fault: Fault | None = None
    hanging: bool = False
    asked: int = 0
    at_once: int = 0
    most_at_once: int = 0
    port: int = 0
    _closed: asyncio.Event = field(default_factory=asyncio.Event)
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()
        self._closed.set()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while not self._closed.is_set():
                headers, body = await _read_request(reader)
                self.asked += 1
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                if self.hanging:
                    await self._closed.wait()
                self.at_once -= 1
                writer.write(self._answer(headers, body))
        writer.close()

    def _answer(self, headers: dict[str, str], body: bytes) -> bytes:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        fault = self.fault or self._find_fault(headers, body, form)
        if fault is not None:
            status, code, text = fault
            error = (
                f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error>"
            )
            return _response(status, f"<ErrorResponse>{error}</ErrorResponse>")
        value = "MessageAttributes.entry.1.Value.StringValue"
        self.accepted.append(Accepted(form["PhoneNumber"], form["Message"], form[value]))
        number = f"<MessageId>{len(self.accepted)}</MessageId>"
        answer = f"<PublishResponse><PublishResult>{number}</PublishResult></PublishResponse>"
        return _response(200, answer)

    def _find_fault(
        self, headers: dict[str, str], body: bytes, form: dict[str, str]
    ) -> Fault | None:
        if not self._is_signed(headers, body):
            return 403, "SignatureDoesNotMatch", "not signed"
        if form.get("Action") != "Publish" or form.get("Version") != "2010-03-31":
            return 400, "InvalidAction", "what?"
        number = form.get("PhoneNumber", "")
        invalid = "Invalid parameter: PhoneNumber Reason: "
        if not re.fullmatch(r"\+[1-9]\d{6,14}", number) or number.startswith("+1999"):
            return 400, "InvalidParameter", f"{invalid}{number} is not valid to publish to"
        if number in self.opted_out:
            return 400, "OptedOut", f"{number} has opted out"
        if not 0 < len(form.get("Message", "")) <= 1600:
            return 400, "InvalidParameter", "Invalid parameter: Message too long"
        return None

    def _is_signed(self, headers: dict[str, str], body: bytes) -> bool:
        match = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if match is None:
            return False
        signed = {name: headers[name] for name in match[1].split(";")}
        request = AWSRequest("POST", self.url + "/", headers=signed, data=body)
        request.context["timestamp"] = headers["x-amz-date"]
        auth = SigV4Auth(Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY), "sns", REGION)
        text = auth.string_to_sign(request, auth.canonical_request(request))
        return bool(auth.signature(text, request) == match[2])


async def _read_request(reader: asyncio.StreamReader) -> tuple[dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
    pairs = (line.partition(":") for line in head)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return headers, await reader.readexactly(int(headers.get("content-length", 0)))


def _response(status: int, body: str) -> bytes:
    head = f"HTTP/1.1 {status} x\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()
