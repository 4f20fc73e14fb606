"""Addresses that a push may go to: public ones, whatever they are dressed up as (A24)."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator

import httpcore2
import pytest
import pytest_asyncio

from workers.push.providers.lookups import Lookups
from workers.push.providers.public_network import (
    PublicNetwork,
    UnusableUrl,
    check_push_url,
    is_internal,
    list_public_addresses,
)

INTERNAL = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "::ffff:0:7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
PUBLIC = [
    "8.8.8.8",
    "64:ff9b::808:808",
    "142.250.0.1",
    "2a00:1450:4001::1",
    "2607:f8b0::1",
    "::ffff:8.8.8.8",
]


@pytest.mark.parametrize("address", INTERNAL)
def test_knows_an_internal_address(address: str) -> None:
    assert is_internal(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_knows_a_public_address(address: str) -> None:
    assert not is_internal(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "https://fcm.googleapis.com/fcm/send/abc:APA91b-_",
        "https://updates.push.services.mozilla.com/wpush/v2/gAAA%3D=",
        "https://wns2-par02p.notify.windows.com/w/?token=BQ%2b",
        "https://web.push.apple.com:443/QG",
    ],
)
def test_takes_the_endpoints_of_push_services(url: str) -> None:
    host, port = check_push_url(url)
    assert host.endswith((".com",))
    assert port == 443


@pytest.mark.parametrize(
    "url",
    [
        "http://push.example/x",
        "ftp://push.example/x",
        "file:///etc/passwd",
        "gopher://push.example:70/_x",
        "https:///x",
        "push.example/x",
        "https://push.example:8443/x",
        "https://push.example:22/x",
        "https://push.example:99999/x",
        "https://user@push.example/x",
        "https://user:secret@push.example/x",
        "https://push.example@127.0.0.1/x",
        "https://push.example\\@127.0.0.1/x",
        "https://push.example#@127.0.0.1/x",
        "https://push.example/x\r\nHost: y",
        "https://push.example/ x",
        "https://localhost/x",
        "https://localhost./x",
        "https://push.example./x",
        "https://2130706433/x",
        "https://0x7f000001/x",
        "https://0x7f.0.0.1/x",
        "https://0177.0.0.1/x",
        "https://127.1/x",
        "https://10.0.0.1/x",
        "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://[fe80::1%25eth0]/x",
        "https://①②⑦.⓪.⓪.①/x",
        "https://pu_sh.example/x",
        "https://push.example/" + "x" * 2048,
    ],
)
def test_takes_no_other_url(url: str) -> None:
    with pytest.raises(UnusableUrl) as caught:
        check_push_url(url)
    assert url not in str(caught.value)


# -------------------------------------------------------------------- by what it resolves to


class Names:
    """Resolves each time to the next of what it was given."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return self.answers.pop(0)


async def test_judges_a_name_by_all_that_it_resolves_to() -> None:
    names = Names(["8.8.8.8", "2607:f8b0::1"], ["8.8.8.8", "10.0.0.1"])
    assert await list_public_addresses("push.example", 443, resolve=names) == [
        "8.8.8.8",
        "2607:f8b0::1",
    ]
    with pytest.raises(UnusableUrl):
        await list_public_addresses("push.example", 443, resolve=names)


@pytest.mark.parametrize("dressed_up", ["localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1"])
async def test_sees_through_what_the_system_takes_for_an_address(dressed_up: str) -> None:
    with pytest.raises(UnusableUrl):
        await list_public_addresses(dressed_up, 443, resolve=Lookups().resolve)


@pytest_asyncio.fixture
async def canary() -> AsyncIterator[tuple[int, list[object]]]:
    """A port on loopback, and who has come to it."""
    came: list[object] = []
    server = await asyncio.start_server(lambda _, writer: came.append(writer), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], came
    server.close()
    for writer in came:
        assert isinstance(writer, asyncio.StreamWriter)
        writer.close()


async def test_never_connects_to_an_internal_address(canary: tuple[int, list[object]]) -> None:
    port, came = canary
    network = PublicNetwork(resolve=Names(["127.0.0.1"], ["::ffff:127.0.0.1"]))
    for _ in range(2):
        with pytest.raises(UnusableUrl):
            await network.connect_tcp("push.example", port, timeout=60)
    assert came == []


async def test_connects_to_the_address_that_it_judged(canary: tuple[int, list[object]]) -> None:
    port, _ = canary
    names = Names(["127.0.0.1"], ["203.0.113.1"])
    stream = await PublicNetwork(allow_internal=True, resolve=names).connect_tcp("any.name", port)
    assert stream.get_extra_info("server_addr") == ("127.0.0.1", port)
    assert names.asked == 1
    await stream.aclose()


async def test_tries_the_next_address_when_one_does_not_answer(
    canary: tuple[int, list[object]],
) -> None:
    port, _ = canary
    network = PublicNetwork(allow_internal=True, resolve=Names(["127.0.0.2", "127.0.0.1"]))
    stream = await network.connect_tcp("any.name", port, timeout=60)
    assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"
    await stream.aclose()


async def test_says_that_a_name_does_not_resolve() -> None:
    with pytest.raises(httpcore2.ConnectError):
        await PublicNetwork(resolve=Names([])).connect_tcp("push.example", 443)
