"""Subscriptions of Web Push and pushes to them, for tests."""

from collections.abc import Callable

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from models.push.addresses import WebPushAddress
from workers.push.providers.web_push import WebPush

KEY = ec.generate_private_key(ec.SECP256R1())


PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


MakeWebPush = Callable[..., WebPush]


def to(subscription: WebPushAddress, **changes: str) -> WebPushAddress:
    return msgspec.structs.replace(subscription, **changes)
