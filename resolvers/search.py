"""Search: messages by their words."""

from typing import Annotated

import strawberry

from models.messages.hydration import hydrate_media, hydrate_senders
from models.messages.messages import Message, show_to
from models.messages.search import search_messages
from schema.context import context_of
from schema.global_ids import require_channel_id
from schema.messages.messages import MessageConnection
from schema.paging import (
    After,
    First,
    Page,
    hit_cursor,
    make_next_page,
    parse_hit_cursor,
    require_first,
)


@strawberry.type
class SearchQueries:
    @strawberry.field(
        name="searchMessages",
        description=(
            "Searches the messages of the viewer's channels, newest first. A message matches if "
            "for each word of the query it has a word that begins with it; case does not "
            "matter. Messages from before the viewer joined, SYSTEM messages and deleted ones "
            "are not found. UNAVAILABLE if the search takes too long."
        ),
        graphql_type=MessageConnection | None,
    )
    async def search(
        self,
        info: strawberry.Info,
        query: Annotated[
            str,
            strawberry.argument(
                description=(
                    "1 to 10 words, at most 200 characters. Only letters and digits count; each "
                    "Han and Kana character is a word."
                )
            ),
        ],
        channel_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Search only this channel.")
        ] = None,
        first: First = None,
        after: After = None,
    ) -> Page[Message]:
        context = context_of(info)
        viewer, limits = context.require_viewer().user, context.resources.limits
        context.spend("searches_per_user")
        cursor = parse_hit_cursor(after, "after")
        found, more = await search_messages(
            context.resources.database,
            viewer.id,
            query,
            channel_id=None if channel_id is None else require_channel_id(channel_id),
            first=require_first(first, limits),
            after=cursor,
            limits=limits,
        )
        messages = [show_to(message, viewer.id) for _, message in found]
        await hydrate_senders(context.resources.database, messages, [viewer])
        await hydrate_media(context.resources.database, messages)
        hits = [hit for hit, _ in found]
        return make_next_page(messages, hits, hit_cursor, after=after, more=more)
