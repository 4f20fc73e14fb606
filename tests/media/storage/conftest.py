"""Fixtures of these tests."""

import pytest

from models.media.urls import (
    MediaUrls,
)
from tests.media.storage.addresses import Clock, urls_at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def urls(clock: Clock) -> MediaUrls:
    return urls_at(clock)
