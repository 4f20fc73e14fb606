from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tests.client import ApiClient, Stream

# `async with follow(bob, DOCUMENT, after=[…]) as stream:`
Follow = Callable[..., AbstractAsyncContextManager[Stream]]


@pytest.fixture(params=["websocket", "events"])
def follow(request: pytest.FixtureRequest) -> Follow:
    """A subscription, over each of the transports in turn."""
    method: Any = ApiClient.follow if request.param == "websocket" else ApiClient.listen
    opened: Follow = method
    return opened
