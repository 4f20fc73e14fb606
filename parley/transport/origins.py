"""Decide which browser origins may ask.

An origin is allowed when its host is the one that was asked, or when it is on the list, letter for
letter. What comes without an `Origin` header is no browser, and holds a token or nothing.

In development pages from loopback may ask on every port, so that a front end's own server needs no
setting. There answers hold one-time codes, and the server is on loopback. A page elsewhere whose
name is made to lead to loopback (DNS rebinding) asks with its own name as `Host`, and so as its own
origin: there a browser is answered only where the host is a name or an address of loopback, or of
an origin on the list.
"""

import re
from collections.abc import Iterable, Mapping
from enum import Enum

from parley.transport.proxies import Proxies, Scope, parse_address

_ORIGIN = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class Hosts(Enum):
    """Which hosts a browser may have asked."""

    ANY = "any"
    LOOPBACK = "loopback names and addresses"
    # An address cannot be made to lead elsewhere, as a name can.
    ADDRESSES = "loopback names, and all addresses"


class Origins:
    """Knows the allowed origins and hosts, and the trusted proxies.

    Raises:
        ValueError: a trusted proxy is neither an address nor a network.
    """

    def __init__(
        self,
        allowed_origins: Iterable[str] = (),
        trusted_proxies: Iterable[str] = (),
        hosts: Hosts = Hosts.ANY,
    ) -> None:
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed_origins)
        self._allowed_hosts = frozenset(
            _name_of(origin.split("//")[-1]) for origin in self._allowed
        )
        self._hosts = hosts
        self._proxies = Proxies(trusted_proxies)

    def allows(self, headers: Mapping[bytes, bytes]) -> bool:
        """Return whether who asks may read the answer, or hold the socket: no browser, or a page of
        an origin that may.
        """
        origin = headers.get(b"origin")
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if origin is None:
            return not _is_browser(headers) or self._is_ours(host)
        text = origin.decode("latin-1").lower()
        if text in self._allowed:
            return True
        return self._is_ours(host) and (_is_same_host(text, host) or self._is_local_page(text))

    def _is_local_page(self, origin: str) -> bool:
        """Return whether it is development, and the page comes from this machine: a front end's own
        server (Vite's, say) is on loopback, on any port.
        """
        found = _ORIGIN.fullmatch(origin)
        return self._hosts is not Hosts.ANY and found is not None and _is_loopback(found[2])

    def _is_ours(self, host: str) -> bool:
        if self._hosts is Hosts.ANY:
            return True
        name = _name_of(host)
        if self._hosts is Hosts.ADDRESSES and parse_address(name) is not None:
            return True
        return _is_loopback(name) or name in self._allowed_hosts

    def client_address(self, scope: Scope) -> str:
        """Return the nearest address that is not a trusted proxy's."""
        return self._proxies.client_address(scope)


def _is_same_host(origin: str, host: str) -> bool:
    found = _ORIGIN.fullmatch(origin)
    if found is None:
        return False
    scheme, name, port = found[1], found[2], found[3] or _DEFAULT_PORTS[found[1]]
    # Behind a proxy that ends TLS the scheme is not ours to know, so the origin's own says what
    # port is meant.
    return host in (
        (f"{name}:{port}", name) if port == _DEFAULT_PORTS[scheme] else (f"{name}:{port}",)
    )


def _name_of(host: str) -> str:
    """Return the host without its port."""
    name = host.rpartition(":")[0] if re.search(r":[0-9]*\Z", host) else host
    return name.rstrip(".")


def _is_loopback(name: str) -> bool:
    """Return whether a host without its port is an address or a name of loopback."""
    address = parse_address(name)
    if address is not None:
        return address.is_loopback
    # Browsers never ask a name server for these.
    return name == "localhost" or name.endswith(".localhost")


def _is_browser(headers: Mapping[bytes, bytes]) -> bool:
    """Return whether a browser asks, as far as it can be told without an `Origin`: a page's GET of
    its own origin has none.
    """
    return b"sec-fetch-site" in headers or headers.get(b"user-agent", b"").startswith(b"Mozilla/")
