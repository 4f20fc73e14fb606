"""Fates: how far a message has got with its audience, which only its sender is told."""

from collections.abc import Callable
from typing import Any

import strawberry

from models.messages import fates
from models.messages.fates import MessageStatus
from models.unloaded import UNLOADED
from schema.context import context_of
from schema.enums import describe_enum
from schema.fields import OUTERMOST

describe_enum(
    MessageStatus,
    "How far a message has got with its whole audience.",
    {
        "SENT": (
            "The server has stored the message. Not everybody in the audience has received it."
        ),
        "DELIVERED": "Everybody in the audience has received the message.",
        "READ": "Everybody in the audience has read the message.",
    },
)


def fate_field(
    name: str, read: Callable[[fates.Fate], Any], description: str, graphql_type: Any
) -> Any:
    """Make a field that only the sender of a message sees. Its value is the message's own where it
    is loaded; else it is read for all messages of the operation at once.
    """

    async def resolve(root: strawberry.Parent[Any], info: strawberry.Info) -> Any:
        value = getattr(root, name)
        if value is not UNLOADED:
            return value
        context = context_of(info)
        if root.sender_id != context.require_viewer().user.id:
            return None
        return read(await context.loaders.fates.load((root.channel_id, root.seq)))

    return strawberry.field(
        resolver=resolve,
        description=description + " Null unless the viewer sent the message.",
        graphql_type=graphql_type,
        metadata={"plan": name, **OUTERMOST},
    )
