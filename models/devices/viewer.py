"""The viewer: the user and device behind the current operation."""

from datetime import datetime

import msgspec

from models.users.users import User


class Viewer(msgspec.Struct, frozen=True):
    user: User
    device_id: str
    # When the access token that was shown ends.
    token_expires_at: datetime
