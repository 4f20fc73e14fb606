"""UNLOADED: the mark of an attribute that was not loaded yet.

It is msgspec's UNSET, so that the attribute is left out when its struct is sent.
"""

from msgspec import UNSET as UNLOADED
from msgspec import UnsetType as Unloaded

__all__ = ["UNLOADED", "Unloaded"]
