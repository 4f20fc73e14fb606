"""On an architecture for which there is no list of calls: the kernel says so itself."""

from tests.media.sandbox.misbehaving import run
from workers.media.sandbox.kernel import libc

__all__ = ["run"]

LINUX32 = 8
libc.personality(LINUX32)
