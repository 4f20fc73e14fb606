"""Media: files that people send, the forms in which they are shown, and how to upload one."""

from datetime import datetime
from typing import Annotated

import strawberry

from models import ids
from models.media import upload_tickets
from models.media.media import Media as StoredMedia
from models.media.media import MediaKind, MediaState
from models.media.renditions import RenditionName
from models.media.signed_renditions import SignedRendition, sign_renditions
from schema.context import context_of
from schema.enums import describe_enum
from schema.fields import SHARED, derived_field
from schema.global_ids import ObjectWithId, global_id_field
from schema.refusals import Refusal
from schema.scalars import DateTime
from schema.sources import describes

describe_enum(
    MediaKind,
    "What a file is shown as.",
    {
        "IMAGE": "A picture.",
        "VIDEO": "A video.",
        "AUDIO": "A voice note or other sound.",
        "FILE": "Anything; it is saved, not shown.",
    },
)
describe_enum(
    MediaState,
    "How far a file has got.",
    {
        "AWAITING_UPLOAD": "Not all of it has arrived, or `completeUpload` was not called.",
        "PROCESSING": "It has arrived, and is being made into what is shown. It can be sent.",
        "READY": "It has its renditions.",
        "FAILED": "It cannot be used; `failure` says why.",
        "EXPIRED": "The server no longer has it; whoever stored it has.",
    },
)
describe_enum(
    RenditionName,
    "What a stored form is for.",
    {
        "THUMBNAIL": "For lists: at most 320 pixels wide and high. Of a video, a still.",
        "PREVIEW": "For a screen: at most 1,600 pixels wide and high. Of a video, a still.",
        "FULL": (
            "The whole of a video (MP4, SDR) or sound, or of a picture that moves (GIF, WebP, PNG "
            "or AVIF; it becomes WebP). Of a HEIF that moves only the first picture is kept."
        ),
        "ORIGINAL": "A FILE as it was uploaded.",
    },
)


@describes(SignedRendition)
@strawberry.type(
    description=(
        "One stored form of a file. Metadata, such as the place where a picture was taken "
        "and the camera, has been removed. A `FILE` is stored unchanged: its metadata is "
        "not removed."
    )
)
class Rendition:
    name: RenditionName = strawberry.field(description="What it is for.", metadata=SHARED)
    content_type: str = strawberry.field(
        description="What it is, by its content: image/jpeg.", metadata=SHARED
    )
    byte_size: int = strawberry.field(description="How large it is.", metadata=SHARED)
    width: int | None = strawberry.field(description="In pixels.", metadata=SHARED)
    height: int | None = strawberry.field(description="In pixels.", metadata=SHARED)
    url: str = strawberry.field(
        description=(
            "The signed URL to fetch it from, without any header. Query the media again for a "
            "new URL after `urlExpiresAt`. Storage serves it with the type of a picture, video "
            "or sound, or as application/octet-stream; a FILE is saved under its file name."
        ),
        metadata=SHARED,
    )
    url_expires_at: datetime = strawberry.field(
        description="Until when the url is good.", graphql_type=DateTime, metadata=SHARED
    )


def _renditions(
    root: strawberry.Parent[StoredMedia], info: strawberry.Info
) -> list[SignedRendition]:
    return sign_renditions(root, context_of(info).resources.media_urls)


def _file_name_of(source: StoredMedia) -> str | None:
    return source.file_name if source.kind is MediaKind.FILE else None


@describes(StoredMedia)
@strawberry.type(
    description=(
        "A file, as it was when fetched. Its owner may see it, everyone who can read a "
        "message that holds it, and everyone who sees the user or group whose picture it "
        "is."
    )
)
class Media(ObjectWithId):
    id: strawberry.ID = global_id_field(lambda source: ids.media_global_id(source.id), shared=True)
    kind: MediaKind = strawberry.field(description="What it is shown as.", metadata=SHARED)
    state: MediaState = strawberry.field(
        description=(
            "Whether the file is uploaded, processed and ready. When the state of a message's "
            "file changes, the message's members get MessageUpdated (MEDIA)."
        ),
        metadata=SHARED,
    )
    failure: str | None = strawberry.field(
        description="Why the file cannot be used. Null unless the state is FAILED.", metadata=SHARED
    )
    file_name: str | None = derived_field(
        _file_name_of,
        description=(
            "The file name of a FILE. Null for the other kinds, because their names can tell "
            "a phone, a day or a place."
        ),
        graphql_type=str | None,
        shared=True,
    )
    content_type: str = strawberry.field(
        description=(
            "The media type, for example image/jpeg: as its owner gave it, and by the content "
            "once it is READY."
        ),
        metadata=SHARED,
    )
    byte_size: int = strawberry.field(
        description="How large it was when it was uploaded. At most 2,000,000,000.",
        metadata=SHARED,
    )
    width: int | None = strawberry.field(
        description="Of a picture or video, in pixels, upright. Null until it is READY.",
        metadata=SHARED,
    )
    height: int | None = strawberry.field(
        description="Of a picture or video, in pixels, upright. Null until it is READY.",
        metadata=SHARED,
    )
    duration_ms: int | None = strawberry.field(
        description="Of a video or sound. Null until it is READY.", metadata=SHARED
    )
    placeholder: str | None = strawberry.field(
        description="A ThumbHash of the picture, base64: paint it before any byte arrives.",
        metadata=SHARED,
    )
    renditions: list[SignedRendition] = strawberry.field(
        resolver=_renditions,
        description=(
            "The stored forms of the file. Empty until it is READY, and while the server has no "
            "key to sign URLs."
        ),
        graphql_type=list[Rendition],
        # They are a part of the file's own row.
        metadata={"list_size": 1, **SHARED},
    )


@strawberry.type(description="A header of a request, to be sent just so.")
class UploadHeader:
    name: str = strawberry.field(
        description="Its name. Browsers set Content-Length by themselves, from the body."
    )
    value: str = strawberry.field(description="Its value.")


@describes(upload_tickets.UploadPart)
@strawberry.type(
    description="A piece of a file, and the one request that brings it: the bytes are its body."
)
class UploadPart:
    number: int = strawberry.field(description="Its place in the file, from 1.")
    method: str = derived_field(
        lambda part: part.request.method, description="PUT.", graphql_type=str
    )
    url: str = derived_field(
        lambda part: part.request.url,
        description="Signed, for these headers and this size only.",
        graphql_type=str,
    )
    headers: list[UploadHeader] = derived_field(
        lambda part: [UploadHeader(name=name, value=value) for name, value in part.request.headers],
        description="All that the signature covers.",
        graphql_type=list[UploadHeader],
    )
    byte_size: int = strawberry.field(description="How many bytes it has.")
    uploaded: bool = strawberry.field(
        description="Whether storage has it. It may be sent again until the file is complete."
    )


@describes(upload_tickets.UploadTicket)
@strawberry.type(
    description="How to bring a file to storage: send each part, then call `completeUpload`."
)
class UploadTicket:
    media: StoredMedia = strawberry.field(description="The file.", graphql_type=Media)
    parts: list[upload_tickets.UploadPart] = strawberry.field(
        description=(
            "One part for files up to 8 MiB, several of 8 MiB (the last may be shorter) for larger "
            "ones, in any order and any number at a time. Empty once the file is complete."
        ),
        graphql_type=list[UploadPart],
    )
    expires_at: datetime = strawberry.field(
        description=(
            "Until when the requests may be begun: five minutes. Then ask `upload` for new ones, "
            "within a day."
        ),
        graphql_type=DateTime,
    )


@strawberry.input(description="A file that is about to be uploaded.")
class CreateUploadInput:
    kind: MediaKind = strawberry.field(description="What it is to be shown as.")
    file_name: str = strawberry.field(
        description="1 to 255 characters, in one line. Others see that of a FILE only."
    )
    content_type: str = strawberry.field(
        description=(
            "As image/jpeg, of at most 100 characters; of the kind's own family unless it is a "
            "FILE. What it is in truth is found out from the content."
        )
    )
    byte_size: int = strawberry.field(
        description="Its exact size: 1 to what `limits.uploadBytes` says."
    )


@strawberry.type(description="The file may be brought to storage.")
class CreateUploadPayload:
    ticket: upload_tickets.UploadTicket = strawberry.field(
        description="How to bring it.", graphql_type=UploadTicket
    )


CreateUploadResult = Annotated[
    CreateUploadPayload | Refusal,
    strawberry.union("CreateUploadResult", description="How to upload, or why it was refused."),
]


@strawberry.type(description="The file as it is now.")
class MediaPayload:
    media: StoredMedia = strawberry.field(description="The file.", graphql_type=Media)


MediaResult = Annotated[
    MediaPayload | Refusal,
    strawberry.union("MediaResult", description="The file, or why it was refused."),
]
