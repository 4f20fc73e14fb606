"""Channels: the viewer's list, one by id, and opening a chat."""

from datetime import UTC, datetime
from typing import Annotated

import strawberry

from models import ids
from models.channel_kinds import ChannelKind
from models.channels import channels
from models.channels.channels import ChannelCursor, find_channel, page_channels
from models.channels.chats import open_chat
from models.channels.mutes import mute_channel
from models.channels.refusals import no_such_channel
from models.log.signals import Signalled, ViewerChannelChanged
from schema.budgets import spends
from schema.channels.channels import (
    Channel,
    ChannelConnection,
    ChannelPayload,
    ChannelResult,
    OpenChatPayload,
    OpenChatResult,
)
from schema.context import context_of
from schema.global_ids import ChannelId, require_channel_id, require_user_id
from schema.paging import (
    After,
    Before,
    First,
    Last,
    Page,
    channel_cursor,
    make_page,
    parse_channel_cursor,
    require_extent,
)
from schema.refusals import Refusal, answers_refusals, require_given
from schema.scalars import DateTime


@strawberry.type
class ChannelQueries:
    @strawberry.field(
        name="channels",
        description=(
            "The viewer's chats and groups, the one with the newest message first. Channels "
            "without any entry are left out. Page with first/after or last/before, 50 by default. "
            "A page does not repeat a channel of the pages before it; one that has moved up since "
            "then is told by its event, and is on the first page."
        ),
        graphql_type=ChannelConnection | None,
    )
    async def list_channels(
        self,
        info: strawberry.Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        kind: Annotated[
            ChannelKind | None, strawberry.argument(description="Only chats, or only groups.")
        ] = None,
    ) -> Page[channels.Channel]:
        context = context_of(info)
        extent = require_extent(first, last, context.resources.limits)
        found, more = await page_channels(
            context.resources.database,
            context.require_viewer().user.id,
            count=extent.count,
            backwards=extent.backwards,
            after=parse_channel_cursor(after, "after"),
            before=parse_channel_cursor(before, "before"),
            kind=kind,
        )
        places = [
            ChannelCursor(channel.last_at or channel.created_at, channel.id) for channel in found
        ]
        return make_page(
            found,
            places,
            channel_cursor,
            more_after=before is not None if extent.backwards else more,
            more_before=more if extent.backwards else after is not None,
        )

    @strawberry.field(
        description=(
            "The channel with this id. Null if it does not exist or the viewer is not in it; "
            "clients cannot tell these cases apart."
        ),
        graphql_type=Channel | None,
    )
    async def channel(
        self,
        info: strawberry.Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="A channel's id (chn_…).")],
    ) -> channels.Channel | None:
        context = context_of(info)
        context.require_viewer()
        channel_id = ids.parse_plain("chn", id)
        return None if channel_id is None else await context.loaders.channels.load(channel_id)


@strawberry.type
class ChannelMutations:
    @strawberry.mutation(
        description=(
            "Returns the chat with a user, and creates it if there is none. Safe to repeat: two "
            "users have one chat, whoever opens it."
        ),
        graphql_type=OpenChatResult,
    )
    @answers_refusals
    @spends("chats_opened_per_user")
    async def open_chat(
        self,
        info: strawberry.Info,
        user_id: Annotated[
            strawberry.ID,
            strawberry.argument(
                description=(
                    "The other user. Give the viewer's own id for a chat with personal notes."
                )
            ),
        ],
    ) -> OpenChatPayload | Refusal:
        context = context_of(info)
        viewer = context.require_viewer()
        peer_id = require_user_id(user_id)
        chat, created = await open_chat(context.resources.database, viewer.user.id, peer_id)
        return OpenChatPayload(chat=chat, created=created)

    @strawberry.mutation(
        description=(
            "Stops pushes of this channel for the viewer until a given time; null ends the "
            "mute. Use a time in the far future to mute permanently. Live events are still "
            "sent. Other members are not affected."
        ),
        graphql_type=ChannelResult,
    )
    @answers_refusals
    @spends("setting_changes_per_user")
    async def mute_channel(
        self,
        info: strawberry.Info,
        channel_id: ChannelId,
        until: Annotated[
            DateTime | None,
            strawberry.argument(
                description=(
                    "When the mute ends, in the future. Null unmutes now. Left out, it is "
                    "INVALID_INPUT."
                )
            ),
        ] = strawberry.UNSET,
    ) -> ChannelPayload | Refusal:
        require_given(until, "until")
        context = context_of(info)
        viewer_id = context.require_viewer().user.id
        resources = context.resources
        inner_id = require_channel_id(channel_id)
        await mute_channel(resources.database, viewer_id, inner_id, until, now=datetime.now(UTC))
        resources.live.announce([Signalled(ViewerChannelChanged(inner_id), [viewer_id])])
        channel = await find_channel(resources.database, viewer_id, inner_id)
        if channel is None:
            raise no_such_channel()
        return ChannelPayload(channel=channel)
