"""The public network: a push goes to public addresses only, judged by what a name resolves to, and
connected to the very address that was judged.

A name is resolved once for each connection, so that an answer which changes (DNS rebinding) cannot
slip another address in; the name itself stays what TLS verifies.
"""

import asyncio
import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from urllib.parse import urlsplit

import httpcore2

MAX_URL_LENGTH = 2048
# Of one name; more are a trick.
MAX_ADDRESSES = 32

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
# All addresses of a name: `await resolve("push.example", 443)`.
Resolve = Callable[[str, int], Awaitable[list[str]]]

_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))+", re.ASCII)
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.ASCII)
_CHARACTERS = re.compile(r"[!-~]+", re.ASCII)
# Besides what `ipaddress` knows to be special.
_INTERNAL = tuple(
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",  # Azure's wire server: a public address, answered by the host
        "192.0.0.0/24",  # IETF's own; Oracle's metadata
        "192.88.99.0/24",  # 6to4 relays
        "3fff::/20",  # documentation
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")


class UnusableUrl(ValueError):
    """One sentence why a push must not go there; it does not repeat the URL."""


def check_push_url(url: str, *, allow_internal: bool = False) -> tuple[str, int]:
    """Return the host and port of a Web Push endpoint. What the host resolves to is judged when it
    is connected to.

    Raises:
        UnusableUrl: it is not https on its usual port, names a user, or is not in the plain form in
            which push services give their URLs. With `allow_internal`, http and ports are allowed.
    """
    if len(url) > MAX_URL_LENGTH or not _CHARACTERS.fullmatch(url) or "#" in url:
        raise UnusableUrl("The endpoint is not a plain URL.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise UnusableUrl("The endpoint is not a URL.") from None
    if parts.scheme != "https" and not (allow_internal and parts.scheme == "http"):
        raise UnusableUrl("The endpoint must be an https URL.")
    if "@" in parts.netloc:
        raise UnusableUrl("The endpoint must not name a user.")
    if not allow_internal:
        _check_host(host)
        if port not in (None, 443):
            raise UnusableUrl("The endpoint must use port 443.")
    return host, port or (443 if parts.scheme == "https" else 80)


def _check_host(host: str) -> None:
    """Require a name, or an address in its one plain form: not 2130706433, 0x7f.1 or 0177.0.0.1."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if not _HOST.fullmatch(host) or _NUMERIC.fullmatch(host.rpartition(".")[2]):
            raise UnusableUrl("The endpoint's host is not a public name.") from None
    else:
        if is_internal(address):
            raise UnusableUrl("The endpoint's host is not a public address.")


def is_internal(address: IpAddress) -> bool:
    """Return True if it is no address of the open internet, also inside of another."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or _find_nat64(address)
        if inner is not None:
            return is_internal(inner)
        if address not in _GLOBAL_UNICAST:
            return True
    return (
        not address.is_global
        or address.is_multicast
        or address.is_reserved
        or any(address in network for network in _INTERNAL if network.version == address.version)
    )


def _find_nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


async def list_public_addresses(
    host: str, port: int, *, resolve: Resolve, allow_internal: bool = False
) -> list[str]:
    """All addresses of the host.

    Raises:
        UnusableUrl: one of them is internal: a name with both is a trick.
        OSError: it has none.
    """
    found = list(dict.fromkeys(await resolve(host, port)))[:MAX_ADDRESSES]
    addresses = [ipaddress.ip_address(address.partition("%")[0]) for address in found]
    if not addresses:
        raise OSError("no address")
    if not allow_internal and any(is_internal(address) for address in addresses):
        raise UnusableUrl("The endpoint's host is not public.")
    return [str(address) for address in addresses]


class PublicNetwork(httpcore2.AsyncNetworkBackend):
    """Connects an HTTP client to public addresses only."""

    def __init__(self, *, resolve: Resolve, allow_internal: bool = False) -> None:
        self._allow_internal = allow_internal
        self._resolve = resolve
        self._network = httpcore2.AnyIOBackend()
        self._closing: set[asyncio.Task[None]] = set()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect, with the last two arguments left out: a pool without options of its own gives
        none.
        """
        try:
            addresses = await list_public_addresses(
                host, port, allow_internal=self._allow_internal, resolve=self._resolve
            )
        except OSError:
            raise httpcore2.ConnectError("no such host") from None
        for address in addresses[:-1]:
            with suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return await self._connect(address, port, timeout)
        return await self._connect(addresses[-1], port, timeout)

    async def _connect(
        self, address: str, port: int, time_s: float | None
    ) -> httpcore2.AsyncNetworkStream:
        """Connect, and close again if nobody waits any more: anyio would leave it open."""
        connecting = asyncio.ensure_future(self._network.connect_tcp(address, port, time_s))
        try:
            return await asyncio.shield(connecting)
        except asyncio.CancelledError:
            self._closing.add(closing := asyncio.create_task(_close(connecting)))
            closing.add_done_callback(self._closing.discard)
            raise

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


async def _close(connecting: asyncio.Future[httpcore2.AsyncNetworkStream]) -> None:
    with suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
        await (await connecting).aclose()
