"""Decide which browser origins may ask.

An origin is allowed when its host is the one that was asked, or when it is on the list, letter for
letter. What comes without an `Origin` header is no browser, and holds a token or nothing.

In development answers hold one-time codes, and the server is on loopback. A page elsewhere whose
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
        return text in self._allowed or (_is_same_host(text, host) and self._is_ours(host))

    def _is_ours(self, host: str) -> bool:
        if self._hosts is Hosts.ANY:
            return True
        name = _name_of(host)
        address = parse_address(name)
        if address is not None and (address.is_loopback or self._hosts is Hosts.ADDRESSES):
            return True
        # Browsers never ask a name server for these.
        is_local = name == "localhost" or name.endswith(".localhost")
        return is_local or name in self._allowed_hosts

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


def _is_browser(headers: Mapping[bytes, bytes]) -> bool:
    """Return whether a browser asks, as far as it can be told without an `Origin`: a page's GET of
    its own origin has none.
    """
    return b"sec-fetch-site" in headers or headers.get(b"user-agent", b"").startswith(b"Mozilla/")
