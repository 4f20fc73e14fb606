"""Events of the inbox about what is in no log: receipts, typing, and the viewer's own state."""

from datetime import datetime
from typing import Any

import strawberry

from models import ids
from models.channels import channels, members
from models.log import events
from models.users import users
from schema.channels.channels import Channel
from schema.channels.events import InboxEvent, at_field, channel_id_field, load_channel
from schema.channels.members import Member, MemberPosition
from schema.context import context_of
from schema.fields import SHARED, derived_field
from schema.references import NotKnown, reference_field
from schema.scalars import DateTime
from schema.sources import describes
from schema.users.references import user_reference_field
from schema.users.users import User

_ID = frozenset({"id"})
_OF_A_CHANNEL = frozenset({"id", "kind"})


def _user_id_field() -> Any:
    return derived_field(
        lambda event: ids.user_global_id(event.user_id),
        description="The member.",
        graphql_type=strawberry.ID,
        shared=True,
    )


def _reference_of(event: Any) -> channels.Reference:
    if event.kind is None:
        raise NotKnown
    return channels.reference(event.channel_id, event.kind)


def _channel_field(*, shared: bool) -> Any:
    return reference_field(
        _reference_of,
        load_channel,
        known=_OF_A_CHANNEL,
        shared=shared and _OF_A_CHANNEL,
        description=(
            "The channel, as it is now. For caches: its `id` and `kind` cost nothing; other fields "
            "are read. Null if the viewer has left it meanwhile."
        ),
        graphql_type=Channel | None,
    )


async def _load_member(root: Any, info: strawberry.Info) -> members.Member | None:
    context = context_of(info)
    asked = (context.require_viewer().user.id, root.channel_id, root.user_id)
    return await context.resources.event_loads.members.find(asked)


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
    channel: channels.Channel | None = _channel_field(shared=True)
    member: members.Member | None = reference_field(
        lambda event: members.MemberReference(event.channel_id, event.user_id),
        _load_member,
        known=_ID,
        shared=_ID,
        description=(
            "The member, as they are now. For caches: its `id` costs nothing; other fields are "
            "read. Null if the member has left the channel meanwhile."
        ),
        graphql_type=Member | None,
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
    channel: channels.Channel | None = _channel_field(shared=True)
    user: users.User | None = user_reference_field(shared=True)


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
    channel: channels.Channel | None = _channel_field(shared=False)


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
