"""Headers that are read into their parts are short, though a head may have 320 kB."""

import time

import pytest

from parley.transport.compression import choose_encoding
from tests.engine.http.asgi import App
from tests.engine.http.http_app import BOOK, GOOD

SIZE = 300_000
LONG = {
    "accept": ["a," * (SIZE // 2), ";," * (SIZE // 2), "a;q=1," * (SIZE // 6)],
    "accept-encoding": ["a," * (SIZE // 2), "br;q=1," * (SIZE // 7)],
    "content-type": ["application/json" + ";a" * (SIZE // 2)],
}
CASES = [(name, value) for name, values in LONG.items() for value in values]


@pytest.mark.parametrize(("name", "value"), CASES, ids=[name for name, _ in CASES])
async def test_one_that_is_long_costs_nothing_and_is_not_kept(
    app: App, name: str, value: str
) -> None:
    """Measured: 80 ms of processor time for `Accept`, and 256 of them stayed in memory."""
    best = 60.0
    for number in range(5):
        # Anew each time: no cache may help.
        began = time.thread_time()
        answer = await app.client.post(BOOK, **GOOD | {name: f"{value}x{number}"})
        best = min(best, time.thread_time() - began)

    assert best < 0.005
    if name == "accept-encoding":
        assert (answer.status, "content-encoding" in answer.headers) == (200, False)
    else:
        assert (answer.status, answer.codes) == (431, ["TOO_LARGE"])


async def test_what_browsers_send_is_read(app: App) -> None:
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

    answer = await app.client.post(BOOK, **GOOD | {"accept": accept})

    assert answer.status == 200
    assert choose_encoding(b"gzip, deflate, br, zstd") == b"br"
