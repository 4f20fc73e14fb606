"""E-mail: digests by SMTP, over connections that are kept.

A mail cannot be taken back, so a silent push sends none. What the server says is kept as its codes
alone: its sentences repeat addresses.
"""

import asyncio
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parseaddr
from urllib.parse import unquote, urlsplit

import aiosmtplib

from models.push.addresses import MAIL_ADDRESS, EmailAddress, PushAddress, PushEndpointKind
from models.push.mails import CodeMail
from workers.push.providers.mail_texts import compose_code, compose_digest
from workers.push.providers.pushes import DELIVERED, ProviderAnswer, Push, PushOutcome

# One left alone for longer is opened again rather than trusted.
IDLE_S = 30.0
# No such mailbox (RFC 3463); 5.1.10 is a domain that takes no mail (RFC 7505).
GONE_CODES = ("5.1.1", "5.1.10")

# An operator's own sender may be of a host without a dot, which no recipient's address may.
_SENDER = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}", re.ASCII)
_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class _Server:
    """From `smtp://user:password@host:port` or, with TLS from the start, `smtps://`."""

    host: str
    port: int
    use_tls: bool
    user: str | None
    password: str | None = field(repr=False)


class Mail:
    kind = PushEndpointKind.EMAIL

    def __init__(
        self,
        *,
        url: str,
        sender: str,
        start_tls: bool | None = None,
        concurrency: int = 4,
        deadline_s: float = 10.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`sender` is an address, or `Parley <parley@example.com>`. `start_tls`: demanded, never,
        or (None) demanded if there is a password to protect, and else used where it is offered.

        Raises:
            ValueError: the URL or the sender is none.
        """
        self._server = _read_url(url)
        name, address = parseaddr(sender)
        if not _SENDER.fullmatch(address) or _CONTROL.search(sender):
            raise ValueError("the sender of mails must be an e-mail address")
        self._sender = Address(name, addr_spec=address)
        if start_tls is None and self._server.user is not None:
            start_tls = True
        self._start_tls = False if self._server.use_tls else start_tls
        self.concurrency = concurrency
        self._deadline_s = deadline_s
        self._tls = tls
        self._slots = asyncio.Semaphore(concurrency)
        self._idle: list[tuple[aiosmtplib.SMTP, float]] = []

    async def send(self, address: PushAddress, push: Push) -> ProviderAnswer:
        assert isinstance(address, EmailAddress)
        if push.silent:
            return DELIVERED
        recipient = address.address
        if not MAIL_ADDRESS.fullmatch(recipient):
            return ProviderAnswer(PushOutcome.GONE, said="no address")
        return await self._deliver(compose_digest(push, self._sender, recipient), recipient)

    async def send_code(self, mail: CodeMail, unsubscribe_url: str) -> ProviderAnswer:
        """Send the code by which an address is confirmed, to whoever reads its mailbox."""
        recipient = mail.address
        if not MAIL_ADDRESS.fullmatch(recipient):
            return ProviderAnswer(PushOutcome.GONE, said="no address")
        message = compose_code(mail, self._sender, recipient, unsubscribe_url)
        return await self._deliver(message, recipient)

    async def _deliver(self, message: EmailMessage, recipient: str) -> ProviderAnswer:
        try:
            async with asyncio.timeout(self._deadline_s), self._slots:
                await self._send(message.as_bytes(), recipient)
        except aiosmtplib.SMTPRecipientsRefused as error:
            return _read_recipient(error.recipients[0])
        except aiosmtplib.SMTPResponseException as error:
            return _read(error)
        except (aiosmtplib.SMTPException, OSError) as error:
            # A timeout of asyncio's, and what a connection may fail of, are OSErrors as well.
            late = isinstance(error, TimeoutError)
            return ProviderAnswer(
                PushOutcome.RETRY, said="no answer in time" if late else "not reached"
            )
        return DELIVERED

    async def close(self) -> None:
        for connection, _ in self._idle:
            connection.close()
        self._idle.clear()

    async def _send(self, message: bytes, recipient: str) -> None:
        connection = await self._connected()
        try:
            await connection.sendmail(self._sender.addr_spec, [recipient], message)
        except aiosmtplib.SMTPRecipientsRefused:
            # aiosmtplib has reset the dialogue.
            self._keep(connection)
            raise
        except BaseException:
            connection.close()
            raise
        self._keep(connection)

    def _keep(self, connection: aiosmtplib.SMTP) -> None:
        if connection.is_connected:
            self._idle.append((connection, asyncio.get_running_loop().time()))

    async def _connected(self) -> aiosmtplib.SMTP:
        oldest = asyncio.get_running_loop().time() - IDLE_S
        while self._idle:
            connection, kept_at = self._idle.pop()
            if kept_at > oldest and await _is_alive(connection):
                return connection
            connection.close()
        return await self._open()

    async def _open(self) -> aiosmtplib.SMTP:
        server = self._server
        connection = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            timeout=self._deadline_s,
            use_tls=server.use_tls,
            start_tls=self._start_tls,
            tls_context=self._tls,
        )
        with _demanding():
            await connection.connect()
        return connection


@contextmanager
def _demanding() -> Iterator[None]:
    """Take a server that does not offer what is demanded (STARTTLS, AUTH) for one that refuses
    it for good.
    """
    try:
        yield
    except (aiosmtplib.SMTPResponseException, OSError):
        raise
    except (aiosmtplib.SMTPException, ValueError):
        raise aiosmtplib.SMTPResponseException(504, "") from None


async def _is_alive(connection: aiosmtplib.SMTP) -> bool:
    """One round trip, so that a mail is not half sent into a connection that has ended."""
    try:
        await connection.rset()
    except (aiosmtplib.SMTPException, OSError):
        return False
    return True


def _read_recipient(error: aiosmtplib.SMTPRecipientRefused) -> ProviderAnswer:
    answer = _read(error)
    if 500 <= error.code < 600 and (answer.said or "").partition(" ")[2] in GONE_CODES:
        return ProviderAnswer(PushOutcome.GONE, said=answer.said)
    return answer


def _read(error: aiosmtplib.SMTPResponseException) -> ProviderAnswer:
    enhanced = _ENHANCED.match(error.message)
    said = f"{error.code} {enhanced[1]}" if enhanced else str(error.code)
    # 421 and its like; aiosmtplib gives a code below 0 to what is no answer.
    lasting = 500 <= error.code < 600
    return ProviderAnswer(PushOutcome.REJECTED if lasting else PushOutcome.RETRY, said=said)


def _read_url(url: str) -> _Server:
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError("the SMTP server must be given as smtp://host:port or smtps://host")
    use_tls = parts.scheme == "smtps"
    return _Server(
        host=parts.hostname,
        port=parts.port or (465 if use_tls else 587),
        use_tls=use_tls,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )
