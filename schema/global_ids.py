"""Global ids: the interface of every object that has one (`Node` in the schema, by the rules of
Relay), and the field that makes such an id.
"""

from collections.abc import Callable
from typing import Any

import strawberry

ID_DESCRIPTION = "The global id. Do not take it apart: its form may change."


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
