"""Global ids: the interface of every object that has one (`Node` in the schema, by the rules of
Relay), the field that makes such an id, and the reading of ids that clients send.
"""

from collections.abc import Callable
from typing import Annotated, Any

import strawberry

from models import ids
from models.channels.refusals import no_such_channel
from models.refusals import not_found

ID_DESCRIPTION = "The global id. Do not take it apart: its form may change."

# An argument that names a channel.
ChannelId = Annotated[
    strawberry.ID, strawberry.argument(description="A channel that the viewer is in.")
]


@strawberry.interface(
    name="Node",
    description=(
        "An object with a global id. Ids begin with their type (usr_…, chn_…, msg_…_<seq>, "
        "mbr_…, med_…, dev_…), but clients must not take them apart."
    ),
)
class ObjectWithId:
    id: strawberry.ID = strawberry.field(description=ID_DESCRIPTION)


def global_id_field(make: Callable[[Any], str], *, shared: bool = False) -> Any:
    """Return the field `id` of an object whose source holds an inner id: `make` turns the source
    into the global id.
    """

    def resolve(root: strawberry.Parent[Any]) -> strawberry.ID:
        return strawberry.ID(make(root))

    return strawberry.field(
        resolver=resolve, description=ID_DESCRIPTION, metadata={"plan": make, "shared": shared}
    )


def require_channel_id(global_id: str) -> str:
    """Return the inner id of a channel's global id, which was given as `channelId`.

    Raises:
        Refused: NOT_FOUND.
    """
    inner_id = ids.parse_plain("chn", global_id)
    if inner_id is None:
        raise no_such_channel()
    return inner_id


def require_user_id(global_id: str, field: str = "userId") -> str:
    """Return the inner id of a user's global id, which was given in this field.

    Raises:
        Refused: NOT_FOUND.
    """
    inner_id = ids.parse_plain("usr", global_id)
    if inner_id is None:
        raise not_found("There is no such user.", field)
    return inner_id
