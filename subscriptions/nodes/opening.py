"""Opens Valkey: one server, a primary behind one address, or a cluster, as `REDIS_URL` says."""

from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from subscriptions.nodes.address import is_cluster, split_hosts
from subscriptions.scripts import Valkey

DEFAULT_PORT = 6379
# One more try: on a cluster after it was asked anew where the keys are.
TRIES_AGAIN = 1
OPTIONS: dict[str, Any] = {
    "socket_timeout": 2,
    "socket_connect_timeout": 1,
    "health_check_interval": 0,
    "max_connections": 200,
}


def open_valkey(url: str) -> Valkey:
    """Return a client that does not wait for a Valkey that is away: a hint that comes late is worth
    nothing.
    """
    retry = Retry(NoBackoff(), TRIES_AGAIN)
    if not is_cluster(url):
        return Redis.from_url(url, retry=retry, **OPTIONS)
    hosts, of_one = split_hosts(url)
    options: dict[str, Any] = {**OPTIONS, **parse_url(of_one)}
    options["ssl"] = options.pop("connection_class", None) is SSLConnection
    for name in ("host", "port", "db"):
        options.pop(name, None)
    nodes = [_start_at(host) for host in hosts]
    return RedisCluster(startup_nodes=nodes, retry=retry, **options)


def _start_at(host: str) -> ClusterNode:
    """Return a server that is asked for all others; `host` may have a port."""
    parts = urlsplit(f"//{host}")
    return ClusterNode(parts.hostname or "", parts.port or DEFAULT_PORT)
