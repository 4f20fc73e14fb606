"""Real PostgreSQL, Valkey and S3 from wheels, in the data directory, as children of this process.

What is set by DATABASE_URL, REDIS_URL or S3_ENDPOINT_URL is somebody else's and is not started
here. Nothing outside the data directory is written. Liveness is decided by connecting.
"""

from parley.embedded.servers import EmbeddedServers
from parley.supervision.part import Part, StartError

__all__ = ["EmbeddedServers", "Part", "StartError"]
