"""Media: uploading a file, in one piece or in parts that can be resumed."""

from typing import Annotated

import strawberry
from msgspec import UNSET, UnsetType

from models import ids
from models.media import upload_tickets
from models.media.upload_drafts import UploadDraft
from models.media.uses import no_such_media
from models.refusals import not_found
from schema.budgets import spends
from schema.context import context_of
from schema.media.media import (
    CreateUploadInput,
    CreateUploadPayload,
    CreateUploadResult,
    MediaPayload,
    MediaResult,
    UploadTicket,
)
from schema.refusals import Refusal, answers_refusals

MediaId = Annotated[
    strawberry.ID, strawberry.argument(description="A file that the viewer is uploading.")
]


def given_avatar(media_id: str | None) -> str | None | UnsetType:
    """Return the inner id of a picture; UNSET where none was given, None where it is to be cleared.

    Raises:
        Refused: NOT_FOUND, naming `avatarMediaId`.
    """
    if media_id is strawberry.UNSET:
        return UNSET
    if media_id is None:
        return None
    inner_id = ids.parse_plain("med", media_id)
    if inner_id is None:
        raise no_such_media("avatarMediaId")
    return inner_id


@strawberry.type
class MediaQueries:
    @strawberry.field(
        description=(
            "Shows which parts of the viewer's upload have arrived, with newly signed requests "
            "for all parts. Use it to resume an upload. Null if the file is not the viewer's "
            "own."
        ),
        graphql_type=UploadTicket | None,
    )
    async def upload(
        self, info: strawberry.Info, media_id: MediaId
    ) -> upload_tickets.UploadTicket | None:
        context = context_of(info)
        viewer_id = context.require_viewer().user.id
        context.spend("upload_steps_per_user")
        inner_id = ids.parse_plain("med", media_id)
        if inner_id is None:
            return None
        return await context.resources.uploads.find_ticket(viewer_id, inner_id)


@strawberry.type
class MediaMutations:
    @strawberry.mutation(
        description=(
            "Starts an upload. The answer says how to send the bytes directly to storage. "
            "TOO_LARGE if the file is larger than `limits.uploadBytes`; RATE_LIMITED if the "
            "viewer's budget for a day is used up."
        ),
        graphql_type=CreateUploadResult,
    )
    @answers_refusals
    @spends("upload_steps_per_user")
    async def create_upload(
        self,
        info: strawberry.Info,
        input: Annotated[CreateUploadInput, strawberry.argument(description="The file.")],
    ) -> CreateUploadPayload | Refusal:
        context = context_of(info)
        draft = UploadDraft(input.kind, input.file_name, input.content_type, input.byte_size)
        viewer_id = context.require_viewer().user.id
        ticket = await context.resources.uploads.create(viewer_id, draft)
        return CreateUploadPayload(ticket=ticket)

    @strawberry.mutation(
        description=(
            "Checks the uploaded bytes and starts to process the file. After this the file can "
            "be sent. Safe to repeat. MEDIA_NOT_READY if parts are missing; MEDIA_REJECTED if "
            "the bytes are not what createUpload announced. A large file may need several "
            "calls: UNAVAILABLE, with `retryAfterMs`."
        ),
        graphql_type=MediaResult,
    )
    @answers_refusals
    @spends("upload_steps_per_user")
    async def complete_upload(
        self, info: strawberry.Info, media_id: MediaId
    ) -> MediaPayload | Refusal:
        context = context_of(info)
        viewer_id = context.require_viewer().user.id
        inner_id = ids.parse_plain("med", media_id)
        if inner_id is None:
            raise not_found("There is no such upload.", "mediaId")
        return MediaPayload(media=await context.resources.uploads.complete(viewer_id, inner_id))
