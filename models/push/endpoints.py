"""Push endpoints: where a device that follows nothing is reached. One a device; it ends with it.

A token (APNs, FCM, Web Push) belongs to the device that set it last: a browser or phone that
somebody else signs in on gives the same token, and must not get what is pushed to the one before.
Locks are taken in the order device, address, endpoint.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum

import msgspec

from models.database import Connection, Database
from models.limits import Limits
from models.push.mails import admit_mail
from models.refusals import invalid, not_found
from models.users.sms_numbers import SmsRules, require_sms_number

URL_LENGTH = 2048
_APNS_TOKEN = re.compile(r"[0-9a-f]{64,200}")
# A bundle id, perhaps with the suffix of another kind of push.
_APNS_TOPIC = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,199}")
_FCM_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# A dot-atom of RFC 5321, section 4.1.2: no quoted ones, and no addresses for hosts.
_MAIL = re.compile(
    rf"(?=.{{3,254}}\Z)(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+[A-Za-z][A-Za-z0-9-]+"
)


class PushEndpointKind(Enum):
    APNS = "APNS"
    FCM = "FCM"
    WEB_PUSH = "WEB_PUSH"
    EMAIL = "EMAIL"
    SMS = "SMS"


class _Address(msgspec.Struct, frozen=True):
    def __repr__(self) -> str:
        """Without what must not reach a log."""
        return f"{type(self).__name__}(…)"


class ApnsAddress(_Address, frozen=True, tag="APNS"):
    token: str
    topic: str
    sandbox: bool = False


class FcmAddress(_Address, frozen=True, tag="FCM"):
    token: str


class WebPushAddress(_Address, frozen=True, tag="WEB_PUSH"):
    endpoint: str
    p256dh: str
    auth: str


class EmailAddress(_Address, frozen=True, tag="EMAIL"):
    address: str


class SmsAddress(_Address, frozen=True, tag="SMS"):
    phone_number: str


Address = ApnsAddress | FcmAddress | WebPushAddress | EmailAddress | SmsAddress

_LIMITS = Limits()

_encode = msgspec.json.Encoder().encode
decode_address = msgspec.json.Decoder(Address).decode


class PushRules(msgspec.Struct, frozen=True):
    """What this installation can push to."""

    kinds: frozenset[PushEndpointKind] = frozenset()
    # Of VAPID, for browsers' `applicationServerKey`; None where there is no Web Push.
    web_push_key: str | None = None
    sms: SmsRules = SmsRules()
    # Raises ValueError with a sentence for a URL that nothing may be pushed to.
    check_url: Callable[[str], object] = str


def kind_of(address: Address) -> PushEndpointKind:
    return PushEndpointKind(address.__struct_config__.tag)


# ------------------------------------------------------------------ shapes


def check_address(address: Address, rules: PushRules) -> Address:
    """The address in its canonical spelling.

    Raises:
        Refused: INVALID_INPUT naming the field: of a shape that no such address has, or of a kind
            that is not configured here.
    """
    kind = kind_of(address)
    if kind not in rules.kinds:
        raise invalid(f"Push by {kind.value} is not configured here.", _field(kind))
    match address:
        case ApnsAddress(token, topic, sandbox):
            _require(_APNS_TOKEN, token.lower(), "apns.token", "An APNs token is hexadecimal.")
            _require(_APNS_TOPIC, topic, "apns.topic", "An APNs topic is a bundle id.")
            return ApnsAddress(token.lower(), topic, sandbox)
        case FcmAddress(token):
            _require(_FCM_TOKEN, token, "fcm.token", "This is no FCM token.")
        case WebPushAddress():
            _check_web_push(address, rules)
        case SmsAddress(number):
            require_sms_number(number, rules.sms, "sms.phoneNumber")
        case EmailAddress(mail):
            return EmailAddress(check_mail(mail, "email.address"))
    return address


def check_mail(address: str, field: str) -> str:
    """Return the mail address in its canonical spelling: its domain in small letters.

    Raises:
        Refused: INVALID_INPUT naming the field.
    """
    _require(_MAIL, address, field, "This is no e-mail address.")
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


def _field(kind: PushEndpointKind) -> str:
    return {"WEB_PUSH": "webPush"}.get(kind.value, kind.value.lower())


def _require(pattern: re.Pattern[str], text: str, field: str, reason: str) -> None:
    if not pattern.fullmatch(text):
        raise invalid(reason, field)


def _check_web_push(address: WebPushAddress, rules: PushRules) -> None:
    _require_key(address.p256dh, "webPush.p256dh", 65, b"\x04")
    _require_key(address.auth, "webPush.auth", 16, b"")
    if len(address.endpoint) > URL_LENGTH:
        raise invalid(f"At most {URL_LENGTH} characters are allowed here.", "webPush.endpoint")
    try:
        rules.check_url(address.endpoint)
    except ValueError as error:
        raise invalid(str(error), "webPush.endpoint") from None


def _require_key(text: str, field: str, length: int, prefix: bytes) -> None:
    try:
        key = base64.b64decode(
            text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True
        )
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != length or not key.startswith(prefix):
        raise invalid(f"This is a key of {length} bytes in base64url.", field)


# ------------------------------------------------------------------ rows


def _digest(address: Address) -> bytes | None:
    """By what a token is found; None for what may be shared."""
    match address:
        case ApnsAddress(token=token) | FcmAddress(token=token) | WebPushAddress(endpoint=token):
            return hashlib.sha256(f"{kind_of(address).value} {token}".encode()).digest()
    return None


async def set_endpoint(
    database: Database,
    user_id: str,
    device_id: str,
    address: Address | None,
    *,
    now: datetime,
    limits: Limits = _LIMITS,
) -> None:
    """Give the device this one endpoint, or none. Its shape was checked. To a mail address that the
    user has not confirmed a code is sent, and nothing else.

    Raises:
        Refused: NOT_FOUND when the device has ended; INVALID_INPUT for a phone number of somebody
            else, and for a mail address that wants no mail; RATE_LIMITED for too many codes.
    """
    async with database.transaction() as connection:
        alive = await connection.fetchval(
            "SELECT 1 FROM devices WHERE user_id = $1 AND id = $2 AND revoked_at IS NULL "
            "FOR NO KEY UPDATE",
            user_id,
            device_id,
        )
        if not alive:
            raise not_found("There is no such device.")
        if isinstance(address, SmsAddress):
            await _require_own_number(connection, user_id, address.phone_number)
        confirmed = True
        if isinstance(address, EmailAddress):
            mail = address.address
            confirmed = await admit_mail(connection, user_id, mail, limits=limits, now=now)
        before = await _find_address(connection, user_id, device_id)
        if before == address:
            return
        if before is not None and (address is None or kind_of(before) is not kind_of(address)):
            await end_endpoint(connection, user_id, device_id)
        elif before is not None:
            await _release(connection, before, user_id, device_id)
        if address is not None:
            await _write(connection, user_id, device_id, address, confirmed, now)


async def _require_own_number(connection: Connection, user_id: str, number: str) -> None:
    own = await connection.fetchval(
        "SELECT number FROM user_phone_numbers WHERE user_id = $1", user_id
    )
    if own != number:
        raise invalid("Only the viewer's own number can be pushed to.", "sms.phoneNumber")


async def _find_address(connection: Connection, user_id: str, device_id: str) -> Address | None:
    found = await connection.fetchval(
        "SELECT address FROM push_endpoints WHERE user_id = $1 AND device_id = $2",
        user_id,
        device_id,
    )
    return None if found is None else decode_address(found)


async def _write(
    connection: Connection,
    user_id: str,
    device_id: str,
    address: Address,
    confirmed: bool,
    now: datetime,
) -> None:
    digest = _digest(address)
    if digest is not None:
        await _claim(connection, digest, user_id, device_id)
    await connection.execute(
        """
        INSERT INTO push_endpoints (user_id, device_id, kind, address, confirmed, set_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (user_id, device_id) DO UPDATE SET
            kind = excluded.kind, address = excluded.address, confirmed = excluded.confirmed,
            set_at = excluded.set_at
        """,
        user_id,
        device_id,
        kind_of(address).value,
        _encode(address).decode(),
        confirmed,
        now,
    )


async def _claim(connection: Connection, digest: bytes, user_id: str, device_id: str) -> None:
    """Make the token this device's, and take it from the one that had it."""
    # A row that is there is locked by the INSERT, whoever wins.
    await connection.execute(
        "INSERT INTO push_addresses AS a (digest, user_id, device_id) VALUES ($1, $2, $3) "
        "ON CONFLICT (digest) DO UPDATE SET digest = a.digest",
        digest,
        user_id,
        device_id,
    )
    owner = await connection.fetchrow(
        "SELECT user_id, device_id FROM push_addresses WHERE digest = $1", digest
    )
    assert owner is not None
    if owner[1] != device_id:
        await connection.execute(
            "UPDATE push_addresses SET user_id = $2, device_id = $3 WHERE digest = $1",
            digest,
            user_id,
            device_id,
        )
        await _delete_rows(connection, owner[0], owner[1])


async def _release(connection: Connection, address: Address, user_id: str, device_id: str) -> None:
    await connection.execute(
        "DELETE FROM push_addresses WHERE digest = $1 AND user_id = $2 AND device_id = $3",
        _digest(address),
        user_id,
        device_id,
    )


async def _delete_rows(connection: Connection, user_id: str, device_id: str) -> None:
    for table in ("push_endpoints", "push_states"):
        await connection.execute(
            f"DELETE FROM {table} WHERE user_id = $1 AND device_id = $2", user_id, device_id
        )


async def end_endpoint(connection: Connection, user_id: str, device_id: str) -> None:
    """Forget the device's endpoint, and what was shown there; in the caller's transaction."""
    before = await _find_address(connection, user_id, device_id)
    if before is not None:
        await _release(connection, before, user_id, device_id)
    await _delete_rows(connection, user_id, device_id)


async def end_push(connection: Connection, user_id: str, device_id: str) -> None:
    """All that push knows of a device that ends; in the caller's transaction."""
    await end_endpoint(connection, user_id, device_id)
    await connection.execute(
        "DELETE FROM push_settings WHERE user_id = $1 AND device_id = $2", user_id, device_id
    )


class DeadEndpoint(msgspec.Struct, frozen=True):
    """An endpoint that its provider knows no more, and the address that was tried."""

    user_id: str
    device_id: str
    address: Address


async def prune_endpoints(database: Database, dead: Sequence[DeadEndpoint]) -> None:
    """Forget endpoints, but those that were set anew since."""
    for each in sorted(dead, key=lambda each: each.device_id):
        async with database.transaction() as connection:
            # The same locks in the same order as whoever sets one.
            await connection.execute(
                "SELECT FROM devices WHERE user_id = $1 AND id = $2 FOR NO KEY UPDATE",
                each.user_id,
                each.device_id,
            )
            if await _find_address(connection, each.user_id, each.device_id) == each.address:
                await end_endpoint(connection, each.user_id, each.device_id)
