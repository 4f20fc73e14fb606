"""The viewer: the user and device behind the current operation."""

from datetime import datetime

import msgspec

from models.users.users import User


class Viewer(msgspec.Struct, frozen=True):
    """The user and device whose access token came with the operation."""

    user: User
    device_id: str
    # When that access token expires.
    token_expires_at: datetime
