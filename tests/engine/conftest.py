"""Fixtures of these tests."""

import pytest

from tests.engine.http.asgi import App
from tests.engine.toy import Book, Context


@pytest.fixture
def app() -> App:
    return App(Context(Book()))
