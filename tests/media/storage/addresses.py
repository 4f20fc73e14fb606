"""Clocks and addresses of media, for tests."""

from collections.abc import Callable
from datetime import UTC, datetime

from models.media.urls import (
    MediaUrls,
    StorageAddresses,
)
from models.storage.signing import AccessKey, Signer

TTL_S = 3600


NOON = datetime(2026, 5, 4, 12, tzinfo=UTC).timestamp()


KEY = AccessKey(id="AKIDEXAMPLE", secret="secret of the tests")


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def signer(find: Callable[[], AccessKey] = lambda: KEY) -> Signer:
    return Signer(base_url="https://s3.example/parley", region="us-east-1", find_access_key=find)


def urls_at(clock: Clock, *, kept: int = 100) -> MediaUrls:
    return MediaUrls(StorageAddresses(signer()), ttl_s=TTL_S, kept=kept, clock=clock)
