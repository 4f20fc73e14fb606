"""Find the address of a client that asks through trusted proxies.

`X-Forwarded-For` is read only as far as trusted proxies wrote it. When another sender sends the
header, it is ignored, and a warning is logged once: behind a proxy that is not in the settings, all
clients would count as one address and share its budgets.

uvicorn's `ProxyHeadersMiddleware` is not used, because it fails cases of
`tests/engine/http/test_origins.py`: it does not recognise a trusted proxy by its IPv4-mapped
address (`::ffff:10.0.0.1`), returns a client's mapped address as it is (a second address, with
budgets of its own, for one client), does not read quoted hops, and returns a hop that is no address
at all.
"""

import ipaddress
import logging
import re
from collections.abc import Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

logger = logging.getLogger("parley.transport")

# A hop as proxies write it: with a port or without, IPv6 then in brackets.
_HOP = re.compile(r'"?(?:\[([0-9A-Fa-f:.%]+)\]|([0-9.]+))(?::[0-9]{1,5})?"?')
_WRITTEN_BY_PROXIES = (b"x-forwarded-for", b"forwarded")


class Proxies:
    """Knows the trusted proxies.

    Raises:
        ValueError: a trusted proxy is neither an address nor a network.
    """

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self._trusted = tuple(ipaddress.ip_network(proxy) for proxy in trusted)
        self._has_warned = False

    def client_address(self, scope: Scope) -> str:
        """Return the nearest address that is not a trusted proxy's."""
        client = scope.get("client")
        address = client[0] if client else ""
        if not self._is_trusted(address):
            self._warn_of_another(address, scope["headers"])
            return str(address)
        for hop in reversed(_forwarded_for(scope["headers"])):
            parsed = parse_address(hop)
            if parsed is None:
                break
            address = str(parsed)
            if not self._is_trusted(address):
                break
        return str(parse_address(address) or address)

    def _is_trusted(self, text: str) -> bool:
        if not self._trusted:
            return False
        address = parse_address(text)
        return address is not None and any(address in network for network in self._trusted)

    def _warn_of_another(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> None:
        if self._has_warned or not any(name in _WRITTEN_BY_PROXIES for name, _ in headers):
            return
        self._has_warned = True
        address = parse_address(peer)
        # A client's own address does not belong in a log.
        named = f" ({address})" if address is not None and address.is_private else ""
        logger.warning(
            "A request came with X-Forwarded-For or Forwarded from a sender%s that is not in "
            "PARLEY_TRUSTED_PROXIES, so these headers are ignored. If Parley is behind a proxy, "
            "set PARLEY_TRUSTED_PROXIES to the proxy's address or network: else all clients count "
            "as one address and share its budgets. This is said once.",
            named,
        )


def _forwarded_for(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    values = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    return [hop.strip() for value in values for hop in value.split(",")]


def parse_address(text: str) -> Address | None:
    """Return the address in the text, or None when there is none.

    It may be in brackets and have a port. An IPv4-mapped IPv6 address is returned as IPv4.
    """
    found = _HOP.fullmatch(text)
    if found is not None:
        text = found[1] or found[2]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
