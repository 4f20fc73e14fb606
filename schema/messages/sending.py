"""Sending and changing messages: what clients give, and what they get back."""

from typing import Annotated

import strawberry

from models.messages import messages
from schema.messages.messages import Message
from schema.refusals import Refusal


@strawberry.input(description="A place, in degrees (WGS 84).")
class LocationInput:
    latitude: float = strawberry.field(description="The latitude, -90 to 90.")
    longitude: float = strawberry.field(description="The longitude, -180 to 180.")
    label: str | None = strawberry.field(
        description="The name of the place, at most 200 characters.", default=None
    )


@strawberry.input(
    description=(
        "A message: text with or without files or a location. Files and a location cannot "
        "be in one message."
    )
)
class SendMessageInput:
    channel_id: strawberry.ID = strawberry.field(description="A channel that the viewer is in.")
    client_message_id: strawberry.ID = strawberry.field(
        description=(
            "An id made by the client, unique for the sender in the channel, at most 64 "
            "characters. It makes sending safe to repeat."
        )
    )
    text: str | None = strawberry.field(
        description="The text, 1 to 4,096 characters.", default=None
    )
    media_ids: list[strawberry.ID] | None = strawberry.field(
        description=(
            "The files of the message: the sender's own completed uploads, or media of any "
            "message that the sender can read (to forward them). At most 10, each once. The "
            "first one decides the message's kind."
        ),
        default=None,
    )
    location: LocationInput | None = strawberry.field(
        description=("The place that the message shows."), default=None
    )
    reply_to_id: strawberry.ID | None = strawberry.field(
        description=(
            "The message that this one answers: one of the same channel that the viewer can see."
        ),
        default=None,
    )
    mentions: list[strawberry.ID] | None = strawberry.field(
        description="The users to mention: members of the channel. At most 100.", default=None
    )


@strawberry.type(description="The answer if the message is stored.")
class SendMessagePayload:
    message: messages.Message = strawberry.field(
        description="The stored message.", graphql_type=Message
    )
    replayed: bool = strawberry.field(
        description=(
            "True if the message was already stored by an earlier send with the same "
            "clientMessageId."
        )
    )


SendMessageResult = Annotated[
    SendMessagePayload | Refusal,
    strawberry.union("SendMessageResult", description="The stored message, or a Refusal."),
]


@strawberry.type(description="The answer if the message was changed, or needed no change.")
class MessagePayload:
    message: messages.Message = strawberry.field(
        description="The message as it is now.", graphql_type=Message
    )


MessageResult = Annotated[
    MessagePayload | Refusal,
    strawberry.union("MessageResult", description="The message as it is now, or a Refusal."),
]
