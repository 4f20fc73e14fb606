"""The mark of an attribute that its struct does not hold yet: whoever needs it loads it.

It is msgspec's own, so that an attribute which is not loaded is left out when its struct travels.
"""

from msgspec import UNSET as UNLOADED
from msgspec import UnsetType as Unloaded

__all__ = ["UNLOADED", "Unloaded"]
