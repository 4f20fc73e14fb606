"""A fake mail server: the dialogue of RFC 5321 in its order, STARTTLS and AUTH, and what comes in
as the mail that a program of the recipient's would read.
"""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

LOOPBACK = "127.0.0.1"
USER, PASSWORD = "parley", "a password of the tests"
MAX_LINE = 1000
REQUIRED = ("From", "To", "Date", "Message-ID", "Subject")


@dataclass(frozen=True)
class Accepted:
    sender: str
    recipient: str
    mail: EmailMessage
    encrypted: bool


class FakeSmtp:
    """`say["RCPT"] = "550 5.1.1 no such user"`: its answer to a verb, until it is deleted;
    `"hang"` and `"cut"` are no answers.
    """

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, implicit: bool = False, demands: bool = False
    ) -> None:
        self._tls, self._implicit = tls, implicit
        # Wants a password before it takes a mail.
        self.demands = demands
        self.say: dict[str, str] = {}
        self.accepted: list[Accepted] = []
        self.opened = 0
        self.verbs: list[str] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._hanging = asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        user = f"{USER}:{PASSWORD.replace(' ', '%20')}@" if self.demands else ""
        return f"smtp{'s' if self._implicit else ''}://{user}{LOOPBACK}:{self.port}"

    @property
    def offers_tls(self) -> ssl.SSLContext | None:
        return None if self._implicit else self._tls

    async def start(self) -> None:
        tls = self._tls if self._implicit else None
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()
        self._hanging.set()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def hang(self) -> None:
        await self._hanging.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self._writers.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await _Dialogue(self, reader, writer).run()
        finally:
            self._writers.discard(writer)
            writer.close()


@dataclass
class _Dialogue:
    server: FakeSmtp
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeted: bool = False
    signed_in: bool = False
    sender: str | None = None
    recipients: list[str] = field(default_factory=list)

    async def run(self) -> None:
        verbs: dict[str, Callable[[str], Awaitable[str] | str]] = {
            "EHLO": self._ehlo,
            "STARTTLS": self._start_tls,
            "AUTH": self._auth,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
            "RSET": self._rset,
            "NOOP": self._noop,
        }
        await self._write("220 fake")
        while True:
            verb, _, rest = (await self._line()).partition(" ")
            verb = verb.upper()
            self.server.verbs.append(verb)
            if verb == "QUIT":
                return await self._write("221 bye")
            answer = self.server.say.get(verb)
            if answer == "cut":
                return self.writer.transport.abort()
            if answer == "hang":
                return await self.server.hang()
            if answer is None:
                given = verbs.get(verb, self._unknown)(rest)
                answer = given if isinstance(given, str) else await given
            if answer:
                await self._write(answer)

    async def _line(self) -> str:
        line = await self.reader.readuntil(b"\n")
        assert line.endswith(b"\r\n"), "a line ends with CRLF"
        assert len(line) <= MAX_LINE, "a line has at most 1,000 octets"
        return line[:-2].decode("ascii")

    async def _write(self, text: str) -> None:
        self.writer.write(text.replace("\n", "\r\n").encode() + b"\r\n")
        await self.writer.drain()

    @property
    def encrypted(self) -> bool:
        return self.writer.get_extra_info("ssl_object") is not None

    def _ehlo(self, _: str) -> str:
        self.greeted = True
        offers = ["fake", "ENHANCEDSTATUSCODES", "SIZE 1000000"]
        if self.server.offers_tls and not self.encrypted:
            offers.append("STARTTLS")
        if self.server.demands:
            offers.append("AUTH PLAIN")
        return "\n".join([*(f"250-{offer}" for offer in offers[:-1]), f"250 {offers[-1]}"])

    async def _start_tls(self, _: str) -> str:
        if self.server.offers_tls is None or self.encrypted:
            return "502 5.5.1 no"
        await self._write("220 go ahead")
        await self.writer.start_tls(self.server.offers_tls)
        self.greeted = False
        return ""

    def _auth(self, rest: str) -> str:
        plain = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
        self.signed_in = rest == f"PLAIN {plain}"
        return "235 2.7.0 ok" if self.signed_in else "535 5.7.8 wrong"

    def _mail(self, rest: str) -> str:
        if not self.greeted or self.sender is not None:
            return "503 5.5.1 out of order"
        if self.server.demands and not self.signed_in:
            return "530 5.7.0 sign in"
        self.sender = rest.partition("<")[2].partition(">")[0]
        return "250 2.1.0 ok"

    def _rcpt(self, rest: str) -> str:
        if self.sender is None:
            return "503 5.5.1 out of order"
        self.recipients.append(rest.partition("<")[2].partition(">")[0])
        return "250 2.1.5 ok"

    async def _data(self, _: str) -> str:
        if not self.recipients:
            return "503 5.5.1 out of order"
        await self._write("354 go ahead")
        lines: list[str] = []
        while (line := await self._line()) != ".":
            lines.append(line.removeprefix("."))
        mail = message_from_bytes("\r\n".join(lines).encode(), policy=default)
        assert isinstance(mail, EmailMessage)
        if mail.defects or any(len(mail.get_all(name, [])) != 1 for name in REQUIRED):
            return "554 5.6.0 not a mail"
        for recipient in self.recipients:
            accepted = Accepted(self.sender or "", recipient, mail, self.encrypted)
            self.server.accepted.append(accepted)
        self._rset("")
        return "250 2.0.0 queued"

    def _noop(self, _: str) -> str:
        return "250 2.0.0 ok"

    def _unknown(self, _: str) -> str:
        return "500 5.5.2 what?"

    def _rset(self, _: str) -> str:
        self.sender, self.recipients = None, []
        return "250 2.0.0 ok"
