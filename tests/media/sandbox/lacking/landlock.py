"""Without Landlock."""

from tests.media.sandbox.lacking import lack_call
from tests.media.sandbox.misbehaving import run

__all__ = ["run"]

lack_call(444)
