"""What the providers' tests share: a push, and a clock that is moved by hand."""

import time
import uuid
from typing import Any

from workers.push.providers.pushes import Push

CHANNEL = "chn_" + "1" * 32
MESSAGE = "msg_" + "1" * 32 + "_7"


def make_push(**changes: Any) -> Push:
    """Return a message of Alice's; `silent=True`: its removal."""
    shown = (
        {} if changes.get("silent") else {"title": "Alice", "body": "Hi!", "message_id": MESSAGE}
    )
    return Push(
        **{
            "id": uuid.uuid4().hex,
            "channel_id": CHANNEL,
            "thread": "thread-1",
            "badge": 3,
            "ttl_s": 600,
            **shown,
            **changes,
        }
    )


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now
