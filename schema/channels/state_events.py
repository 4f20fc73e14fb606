"""Events of the inbox about what is in no log: receipts, typing, and the viewer's own state."""

from datetime import datetime
from typing import Any

import strawberry

from models import ids
from models.channels import members
from models.log import events
from models.users import users
from schema.channels.events import InboxEvent, at_field, channel_id_field
from schema.channels.members import MemberPosition
from schema.fields import SHARED, derived_field
from schema.scalars import DateTime
from schema.sources import describes
from schema.users.users import User


def _user_id_field() -> Any:
    return derived_field(
        lambda event: ids.user_global_id(event.user_id),
        description="The member.",
        graphql_type=strawberry.ID,
        shared=True,
    )


@describes(events.ReceiptUpdated)
@strawberry.type(
    description=(
        "A member has received or read more of the viewer's messages in a channel. The "
        "first event is sent at once, later ones at most once a second for each member and "
        "channel, with the member's newest position. So an author in a group of 100 gets at "
        "most 99 a second. If a member moves by more than 2,000 entries at once, all "
        "members get the event. In a chat, reading is not reported if either user hides "
        "read receipts, and nothing is reported while one blocks the other."
    )
)
class ReceiptUpdated(InboxEvent):
    at: datetime = at_field(SHARED)
    channel_id: strawberry.ID = channel_id_field()
    user_id: strawberry.ID = _user_id_field()
    delivered_seq: int = strawberry.field(
        description="The member has received all entries up to this seq.", metadata=SHARED
    )
    read_seq: int = strawberry.field(
        description=(
            "The member has read all entries up to this seq. 0 if read receipts are hidden."
        ),
        metadata=SHARED,
    )


@describes(events.TypingUpdated)
@strawberry.type(
    description=(
        "A member is typing or has stopped. Show it until `expiresAt`, or until an event "
        "with `typing` false."
    )
)
class TypingUpdated(InboxEvent):
    at: datetime = at_field(SHARED)
    channel_id: strawberry.ID = channel_id_field()
    user_id: strawberry.ID = _user_id_field()
    typing: bool = strawberry.field(description="Whether the member is typing.", metadata=SHARED)
    expires_at: datetime = strawberry.field(
        description="When to stop showing that the member types.",
        graphql_type=DateTime,
        metadata=SHARED,
    )


@describes(events.ViewerChannelUpdated)
@strawberry.type(
    description=(
        "The viewer's position or mute in a channel changed, on any of the viewer's "
        "devices. It is not sent for new messages: add those to the unread count yourself."
    )
)
class ViewerChannelUpdated(InboxEvent):
    at: datetime = at_field()
    channel_id: strawberry.ID = channel_id_field()
    position: members.MemberPosition = derived_field(
        lambda event: members.MemberPosition(event.user_id, event.delivered_seq, event.read_seq),
        description="How much the viewer has received and read.",
        graphql_type=MemberPosition,
    )
    unread_count: int = strawberry.field(
        description="How many messages of others the viewer has not read."
    )
    last_seq: int = strawberry.field(
        description="The seq of the newest entry that unreadCount includes."
    )
    muted_until: datetime | None = strawberry.field(
        description="When the viewer's mute of the channel ends. Null if it is not muted.",
        graphql_type=DateTime | None,
    )


@describes(events.ViewerUpdated)
@strawberry.type(
    description=(
        "The viewer's profile, privacy settings, blocks or devices changed. Fetch again "
        "what you show of them."
    )
)
class ViewerUpdated(InboxEvent):
    at: datetime = at_field()
    viewer: users.User = strawberry.field(description="The viewer.", graphql_type=User)
