"""Without seccomp."""

import platform

from tests.jobs.lacking import lack_option
from tests.jobs.misbehaving import run

__all__ = ["run"]

lack_option({"x86_64": 157, "aarch64": 167}[platform.machine()], 22)
