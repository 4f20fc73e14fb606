"""The address of Valkey, `REDIS_URL`: of one server, of a primary behind one address, or of a
cluster by some of its servers.
"""

from urllib.parse import parse_qsl, urlencode, urlsplit

SCHEMES = ("redis://", "rediss://", "unix://")


def read_address(text: str) -> str:
    """Check an address.

    Raises:
        ValueError: with the rest of a sentence that begins with the setting's name.
    """
    if not text.startswith(SCHEMES):
        raise ValueError(f"must begin with {' or '.join(SCHEMES)}.")
    if not is_cluster(text):
        return text
    if text.startswith("unix://") or not all(_is_host(host) for host in split_hosts(text)[0]):
        raise ValueError(
            "must name servers of the cluster by host and port: redis://a:6379,b:6379?cluster=true."
        )
    if urlsplit(text).path not in ("", "/", "/0"):
        raise ValueError("must not choose a database: a cluster has number 0 only.")
    return text


def is_cluster(address: str) -> bool:
    """Return whether the address is of a cluster: it says so, or has several hosts."""
    parts = urlsplit(address)
    asked = dict(parse_qsl(parts.query)).get("cluster", "").lower() in ("true", "yes", "1")
    return asked or "," in parts.netloc.rpartition("@")[2]


def split_hosts(address: str) -> tuple[list[str], str]:
    """Return the hosts of an address, with their ports, and the same address of the first alone,
    without what says that it is a cluster.
    """
    parts = urlsplit(address)
    user, at, hosts = parts.netloc.rpartition("@")
    options = [(key, value) for key, value in parse_qsl(parts.query) if key != "cluster"]
    of_one = parts._replace(
        netloc=user + at + hosts.split(",")[0], query=urlencode(options), path=""
    )
    return hosts.split(","), of_one.geturl()


def _is_host(text: str) -> bool:
    """Return whether this is a host, with a port or without."""
    try:
        parts = urlsplit(f"//{text}")
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
