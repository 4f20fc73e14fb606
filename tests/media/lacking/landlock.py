"""Without Landlock."""

from tests.media.lacking import lack_call
from tests.media.misbehaving import run

__all__ = ["run"]

lack_call(444)
