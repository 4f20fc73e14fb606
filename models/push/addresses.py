"""Addresses at which providers of push reach a device: their types, shapes, and form in a row.

An address is judged here when it is set; `decode_address` reads it from a row, once. Everybody else
is given the typed address.
"""

import base64
import hashlib
import re
from collections.abc import Callable
from enum import Enum

import msgspec

from models.refusals import invalid
from models.users.sms_numbers import SmsRules, require_sms_number

URL_LENGTH = 2048
APNS_TOKEN = re.compile(r"[0-9a-f]{64,200}")
# A bundle id, perhaps with the suffix of another kind of push.
APNS_TOPIC = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,199}")
_FCM_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# A dot-atom of RFC 5321, section 4.1.2: no quoted ones, and no addresses for hosts.
MAIL_ADDRESS = re.compile(
    rf"(?=.{{3,254}}\Z)(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+[A-Za-z][A-Za-z0-9-]+"
)


class PushEndpointKind(Enum):
    APNS = "APNS"
    FCM = "FCM"
    WEB_PUSH = "WEB_PUSH"
    EMAIL = "EMAIL"
    SMS = "SMS"


class _PushAddress(msgspec.Struct, frozen=True):
    def __repr__(self) -> str:
        """Leave out what must not reach a log."""
        return f"{type(self).__name__}(…)"


class ApnsAddress(_PushAddress, frozen=True, tag="APNS"):
    token: str
    topic: str
    sandbox: bool = False


class FcmAddress(_PushAddress, frozen=True, tag="FCM"):
    token: str


class WebPushAddress(_PushAddress, frozen=True, tag="WEB_PUSH"):
    endpoint: str
    p256dh: str
    auth: str


class EmailAddress(_PushAddress, frozen=True, tag="EMAIL"):
    address: str


class SmsAddress(_PushAddress, frozen=True, tag="SMS"):
    phone_number: str


PushAddress = ApnsAddress | FcmAddress | WebPushAddress | EmailAddress | SmsAddress

decode_address = msgspec.json.Decoder(PushAddress).decode


class PushRules(msgspec.Struct, frozen=True):
    """The kinds of endpoint that this installation can push to, and the rules of each."""

    kinds: frozenset[PushEndpointKind] = frozenset()
    # Of VAPID, for browsers' `applicationServerKey`; None where there is no Web Push.
    web_push_key: str | None = None
    sms: SmsRules = SmsRules()
    # Raises ValueError with a sentence for a URL that nothing may be pushed to.
    check_url: Callable[[str], object] = str


def encode_address(address: PushAddress) -> str:
    """Return the JSON that a row holds."""
    return msgspec.json.encode(address).decode()


def kind_of(address: PushAddress) -> PushEndpointKind:
    return PushEndpointKind(address.__struct_config__.tag)


def find_token_digest(address: PushAddress) -> bytes | None:
    """Return the key by which the token is found; None for an address that devices may share."""
    match address:
        case ApnsAddress(token=token) | FcmAddress(token=token) | WebPushAddress(endpoint=token):
            return hashlib.sha256(f"{kind_of(address).value} {token}".encode()).digest()
    return None


# ------------------------------------------------------------------ shapes


def check_address(address: PushAddress, rules: PushRules) -> PushAddress:
    """Return the address in its canonical spelling.

    Raises:
        Refused: INVALID_INPUT naming the field: of a shape that no such address has, or of a kind
            that is not configured here.
    """
    kind = kind_of(address)
    if kind not in rules.kinds:
        raise invalid(f"Push by {kind.value} is not configured here.", _field(kind))
    match address:
        case ApnsAddress(token, topic, sandbox):
            _require(APNS_TOKEN, token.lower(), "apns.token", "An APNs token is hexadecimal.")
            _require(APNS_TOPIC, topic, "apns.topic", "An APNs topic is a bundle id.")
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
    _require(MAIL_ADDRESS, address, field, "This is no e-mail address.")
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
        key = decode_base64url(text)
    except ValueError:
        key = b""
    if len(key) != length or not key.startswith(prefix):
        raise invalid(f"This is a key of {length} bytes in base64url.", field)


def decode_base64url(text: str) -> bytes:
    """Return the bytes; `text` may have its padding or not.

    Raises:
        ValueError: this is no base64url.
    """
    bare = text.rstrip("=")
    return base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
