"""Without Landlock."""

from tests.jobs.lacking import lack_call
from tests.jobs.misbehaving import run

__all__ = ["run"]

lack_call(444)
