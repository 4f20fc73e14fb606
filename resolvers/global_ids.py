"""Queries of objects by their global ids: each as the viewer may see it, else null."""

import asyncio
from typing import Annotated, Any

import strawberry

from models import ids
from models.refusals import invalid
from schema.context import Context, context_of
from schema.global_ids import ObjectWithId


@strawberry.type
class GlobalIdQueries:
    @strawberry.field(
        description=(
            "The object with this global id. Null if it does not exist or the viewer may not "
            "see it."
        ),
        graphql_type=ObjectWithId | None,
    )
    async def node(
        self,
        info: strawberry.Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Any global id.")],
    ) -> object:
        context = context_of(info)
        context.require_viewer()
        return await _find(context, id)

    @strawberry.field(
        description=(
            "Several objects by their global ids, in the order of the ids. Null for each that "
            "does not exist or that the viewer may not see. At most 100."
        ),
        graphql_type=list[ObjectWithId | None] | None,
    )
    async def nodes(
        self,
        info: strawberry.Info,
        ids: Annotated[
            list[strawberry.ID],
            strawberry.argument(description="Global ids of any types. At most 100."),
        ],
    ) -> list[Any]:
        context = context_of(info)
        context.require_viewer()
        most = context.resources.limits.node_ids
        if len(ids) > most:
            raise invalid(f"At most {most} ids are allowed here.", "ids")
        # All at once, so that what the loaders read for them is read once for each kind.
        return await asyncio.gather(*(_find(context, global_id) for global_id in ids))


async def _find(context: Context, global_id: str) -> Any:
    if inner_id := ids.parse_plain("usr", global_id):
        return await context.loaders.users.load(inner_id)
    if inner_id := ids.parse_plain("chn", global_id):
        return await context.loaders.channels.load(inner_id)
    if inner_id := ids.parse_plain("dev", global_id):
        return await context.loaders.devices.load(inner_id)
    if inner_id := ids.parse_plain("med", global_id):
        return await context.loaders.visible_media.load(inner_id)
    if place := ids.parse_message(global_id):
        return await context.loaders.messages.load(place)
    if member := ids.parse_member(global_id):
        return await context.loaders.member.load(member)
    return None
