"""The embedded servers: real PostgreSQL, Valkey and S3 from wheels, in the data directory.

They run as children of this process (`parley/supervision`), which `serve` uses without them.

A server that DATABASE_URL, REDIS_URL or S3_ENDPOINT_URL names is not started here. Nothing outside
the data directory is written. A server is alive if it answers a connection.
"""

from parley.embedded.servers import EmbeddedServers

__all__ = ["EmbeddedServers"]
