"""Without seccomp."""

import platform

from tests.media.sandbox.lacking import lack_option
from tests.media.sandbox.misbehaving import run

__all__ = ["run"]

lack_option({"x86_64": 157, "aarch64": 167}[platform.machine()], 22)
