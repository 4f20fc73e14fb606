"""Which pages may read answers, and whose address a request has."""

import orjson
import pytest

from parley.transport.origins import Hosts, Origins
from tests.engine.http.asgi import JSON, App
from tests.engine.http.http_app import BOOK, GOOD
from tests.engine.toy import Book, Context


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://chat.example", True),
        ("https://chat.example:443", True),
        ("http://chat.example", True),
        ("https://app.example", True),
        ("capacitor://localhost", True),
        ("https://app.example:8443", False),
        ("http://app.example", False),
        ("https://evil.example", False),
        ("https://chat.example.evil.example", False),
        ("https://evilchat.example", False),
        ("https://chat.example@evil.example", False),
        ("https://chat.example:8443", False),
        ("https://sub.chat.example", False),
        ("null", False),
        ("file://", False),
        ("", False),
        ("*", False),
    ],
)
async def test_only_pages_of_allowed_origins_get_answers(origin: str, allowed: bool) -> None:
    app = App(Context(Book()), origins=Origins(["https://app.example", "capacitor://localhost"]))
    headers = GOOD | {"origin": origin, "host": "chat.example"}

    answer = await app.client.post(BOOK, **headers)
    preflight = await app.client.request(
        "OPTIONS", headers={"origin": origin, "host": "chat.example"}
    )

    assert (answer.status, preflight.status) == ((200, 204) if allowed else (403, 403))
    for each in (answer, preflight):
        assert each.headers.get("access-control-allow-origin") == (origin if allowed else None)
        assert "access-control-allow-credentials" not in each.headers
    if allowed:
        assert "authorization" in preflight.headers["access-control-allow-headers"]


async def test_no_origin_is_no_browser() -> None:
    app = App(Context(Book()))
    answer = await app.client.post(BOOK, host="chat.example", **GOOD)
    options = await app.client.request("OPTIONS")

    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers
    assert (options.status, options.headers["allow"]) == (204, "GET, POST, OPTIONS")


LOCAL = [
    "localhost:8000",
    "LOCALHOST.:8000",
    "parley.localhost:8000",
    "127.0.0.1:8000",
    "127.8.9.1",
    "[::1]:8000",
    "[::ffff:127.0.0.1]:8000",
    "app.example",
]
REBOUND = [
    "evil.example:8000",
    "localhost.evil.example:8000",
    "127.0.0.1.evil.example:8000",
    "evillocalhost:8000",
    "192.0.2.1:8000",
    "0.0.0.0:8000",
    "[2001:db8::1]:8000",
    "localhost:8000:evil.example",
    "",
]


@pytest.mark.parametrize("host", [*LOCAL, *REBOUND])
@pytest.mark.parametrize("asks", ["a page", "an address bar", "an old browser", "curl"])
async def test_in_development_a_browser_asks_loopback_or_nobody(host: str, asks: str) -> None:
    """A name that is made to lead to loopback is not loopback's: DNS rebinding."""
    app = App(Context(Book()), origins=Origins(["https://app.example"], hosts=Hosts.LOOPBACK))
    more = {
        "a page": {"origin": f"http://{host.lower()}"},
        "an address bar": {"sec-fetch-site": "none"},
        "an old browser": {"user-agent": "Mozilla/5.0"},
        "curl": {"user-agent": "curl/8.0"},
    }[asks]

    answer = await app.client.post(BOOK, host=host, **GOOD, **more)

    assert answer.status == (200 if host in LOCAL or asks == "curl" else 403)


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("http://localhost:5173", "localhost:8000", True),
        ("http://localhost:5173", "evil.example:8000", True),
        ("http://localhost:3000", "localhost:8000", True),
        ("http://127.0.0.1:5173", "localhost:8000", True),
        ("http://[::1]:5173", "127.0.0.1:8000", True),
        ("https://app.localhost", "localhost:8000", True),
        ("http://localhost:3000", "evil.example:8000", False),
        ("http://localhost.evil.example:3000", "localhost:8000", False),
        ("http://192.168.1.5:3000", "localhost:8000", False),
        ("http://evil.example:8000", "localhost:8000", False),
    ],
)
async def test_in_development_a_front_end_of_this_machine_may_ask_from_any_port(
    origin: str, host: str, allowed: bool
) -> None:
    origins = Origins(["http://localhost:5173"], hosts=Hosts.LOOPBACK)
    app = App(Context(Book()), origins=origins)

    answer = await app.client.post(BOOK, host=host, origin=origin, **GOOD)

    assert answer.status == (200 if allowed else 403)


async def test_in_production_a_page_of_loopback_may_not_ask() -> None:
    app = App(Context(Book()), origins=Origins())

    answer = await app.client.post(
        BOOK, host="chat.example", origin="http://localhost:5173", **GOOD
    )

    assert answer.status == 403


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("192.168.1.5:8000", True), ("[fd00::5]:8000", True), ("parley.lan:8000", False)],
)
async def test_development_that_is_open_to_a_network_is_asked_by_address(
    host: str, allowed: bool
) -> None:
    """An address cannot be made to lead elsewhere."""
    app = App(Context(Book()), origins=Origins(hosts=Hosts.ADDRESSES))

    answer = await app.client.post(BOOK, host=host, origin=f"http://{host}", **GOOD)

    assert answer.status == (200 if allowed else 403)


PROXIES = ("10.0.0.0/8", "127.0.0.1", "fd00::/8")


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        # Whoever is no proxy of ours may write what they like.
        ("192.0.2.1", ["203.0.113.9"], "192.0.2.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.9, 10.1.2.3"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, rubbish"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ("::ffff:10.0.0.1", ["2001:DB8::1"], "2001:db8::1"),
        ("fd00::1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        # As gateways write them that add the port.
        ("10.0.0.1", ["203.0.113.9:51234"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db8::1]:51234"], "2001:db8::1"),
        ("10.0.0.1", ["[2001:db8::1]"], "2001:db8::1"),
        ("10.0.0.1", ['"[2001:db8::1]:443"'], "2001:db8::1"),
        ("10.0.0.1", ["6.6.6.6:1, 203.0.113.9:2, 10.1.2.3:3"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9:51234:1"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9:"], "10.0.0.1"),
    ],
)
async def test_the_address_is_the_nearest_that_is_no_proxy_of_ours(
    peer: str, forwarded: list[str], address: str
) -> None:
    app = App(Context(Book()), origins=Origins((), PROXIES))
    headers = [*(JSON | GOOD).items(), *(("x-forwarded-for", each) for each in forwarded)]

    await app.client.request(headers=headers, chunks=[orjson.dumps(BOOK)], client=(peer, 1))

    assert app.addresses == [address]


@pytest.mark.parametrize("proxy", ["10.0.0.1/8", "proxy.example", "300.0.0.1"])
def test_a_proxy_is_an_address_or_a_network(proxy: str) -> None:
    with pytest.raises(ValueError, match=proxy):
        Origins((), [proxy])


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded"])
@pytest.mark.parametrize(
    ("trusted", "peer", "named"),
    [
        ((), "127.0.0.1", " (127.0.0.1)"),
        (("10.0.0.0/8",), "172.16.0.9", " (172.16.0.9)"),
        # A person's address is not for the log.
        ((), "8.8.8.8", ""),
    ],
)
async def test_a_proxy_that_nobody_named_is_warned_of_once(
    caplog: pytest.LogCaptureFixture, header: str, trusted: tuple[str, ...], peer: str, named: str
) -> None:
    app = App(Context(Book()), origins=Origins((), trusted))
    headers = [*(JSON | GOOD).items(), (header, "203.0.113.9")]

    for _ in range(3):
        await app.client.request(headers=headers, chunks=[orjson.dumps(BOOK)], client=(peer, 1))

    (record,) = [each for each in caplog.records if each.name == "parley.transport"]
    assert record.levelname == "WARNING"
    assert f"from a sender{named} that is not in PARLEY_TRUSTED_PROXIES" in record.getMessage()
    assert "203.0.113.9" not in caplog.text


async def test_nothing_is_said_of_trusted_proxies_nor_of_who_comes_without_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = App(Context(Book()), origins=Origins((), PROXIES))
    forwarded = ("x-forwarded-for", "203.0.113.9")

    for peer, more in (("10.0.0.1", [forwarded]), ("192.0.2.1", [])):
        headers = [*(JSON | GOOD).items(), *more]
        await app.client.request(headers=headers, chunks=[orjson.dumps(BOOK)], client=(peer, 1))

    assert not [each for each in caplog.records if each.name == "parley.transport"]
