"""Media: files that people send, the forms in which they are shown, and how to upload one."""

from datetime import datetime
from typing import Annotated

import strawberry

from models import ids
from models.media import upload_tickets
from models.media.media import Media as StoredMedia
from models.media.media import MediaKind, MediaState
from models.media.renditions import RenditionName
from models.media.signed_renditions import SignedRendition, sign_rendition, sign_renditions
from schema.context import context_of
from schema.enums import describe_enum
from schema.fields import SHARED, derived_field
from schema.global_ids import ObjectWithId, global_id_field
from schema.refusals import Refusal
from schema.scalars import DateTime
from schema.sources import describes

describe_enum(
    MediaKind,
    "How a file is shown.",
    {
        "IMAGE": "A picture.",
        "VIDEO": "A video.",
        "AUDIO": "A voice note or other sound.",
        "FILE": "Any file. Clients save it and do not show it.",
    },
)
describe_enum(
    MediaState,
    "Whether a file is uploaded, processed and ready.",
    {
        "AWAITING_UPLOAD": (
            "The upload is not complete: parts are missing, or `completeUpload` was not called."
        ),
        "PROCESSING": (
            "The file has arrived, and the server is making its renditions. It can already be sent."
        ),
        "READY": "The file has its renditions.",
        "FAILED": "The file cannot be used. `failure` says why.",
        "EXPIRED": "The server has deleted the file. Devices that stored it still have it.",
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
    name: RenditionName = strawberry.field(description="What this form is for.", metadata=SHARED)
    content_type: str = strawberry.field(
        description="The media type, found from the content, for example image/jpeg.",
        metadata=SHARED,
    )
    byte_size: int = strawberry.field(description="The size in bytes.", metadata=SHARED)
    width: int | None = strawberry.field(
        description="The width in pixels. Null where the file has none.", metadata=SHARED
    )
    height: int | None = strawberry.field(
        description="The height in pixels. Null where the file has none.", metadata=SHARED
    )
    url: str = strawberry.field(
        description=(
            "The signed URL to fetch it from, without any header. Query the media again for a "
            "new URL after `urlExpiresAt`. Storage serves it with the type of a picture, video "
            "or sound, or as application/octet-stream; a FILE is saved under its file name."
        ),
        metadata=SHARED,
    )
    url_expires_at: datetime = strawberry.field(
        description="When the URL stops working.", graphql_type=DateTime, metadata=SHARED
    )


def _renditions(
    root: strawberry.Parent[StoredMedia], info: strawberry.Info
) -> list[SignedRendition]:
    return sign_renditions(root, context_of(info).resources.media_urls)


def _thumbnail(
    root: strawberry.Parent[StoredMedia], info: strawberry.Info
) -> SignedRendition | None:
    return sign_rendition(root, RenditionName.THUMBNAIL, context_of(info).resources.media_urls)


def _preview(root: strawberry.Parent[StoredMedia], info: strawberry.Info) -> SignedRendition | None:
    return sign_rendition(root, RenditionName.PREVIEW, context_of(info).resources.media_urls)


def _file_name_of(source: StoredMedia) -> str | None:
    return source.file_name if source.kind is MediaKind.FILE else None


@describes(StoredMedia)
@strawberry.type(
    description=(
        "A file, as it was at the time of the fetch. Those who may see it are its owner, everyone "
        "who can read a message that holds it, and everyone who can see the user or group whose "
        "picture it is."
    )
)
class Media(ObjectWithId):
    id: strawberry.ID = global_id_field(lambda source: ids.media_global_id(source.id), shared=True)
    kind: MediaKind = strawberry.field(description="How the file is shown.", metadata=SHARED)
    state: MediaState = strawberry.field(
        description=(
            "Whether the file is uploaded, processed and ready. When the state of a message's file "
            "changes, the members who can see the message get MessageUpdated (MEDIA)."
        ),
        metadata=SHARED,
    )
    failure: str | None = strawberry.field(
        description=(
            "Why the file cannot be used, as a sentence. Null unless the state is FAILED."
        ),
        metadata=SHARED,
    )
    file_name: str | None = derived_field(
        _file_name_of,
        description=(
            "The file name of a FILE. Null for the other kinds, because the names of photos and "
            "recordings can reveal a phone, a day or a place."
        ),
        graphql_type=str | None,
        shared=True,
    )
    content_type: str = strawberry.field(
        description=(
            "The media type, for example image/jpeg. Until the file is READY it is what its owner "
            "named; after that it is found from the content."
        ),
        metadata=SHARED,
    )
    byte_size: int = strawberry.field(
        description="The size of the uploaded file in bytes, at most 2,000,000,000.",
        metadata=SHARED,
    )
    width: int | None = strawberry.field(
        description=(
            "The width of a picture or video in pixels, turned upright. Null for other kinds, and "
            "until the file is READY."
        ),
        metadata=SHARED,
    )
    height: int | None = strawberry.field(
        description=(
            "The height of a picture or video in pixels, turned upright. Null for other kinds, and "
            "until the file is READY."
        ),
        metadata=SHARED,
    )
    duration_ms: int | None = strawberry.field(
        description=(
            "The length of a video or sound in milliseconds. Null for other kinds, and until the "
            "file is READY."
        ),
        metadata=SHARED,
    )
    placeholder: str | None = strawberry.field(
        description=(
            "A ThumbHash of the picture or video, in base64. Show it while the thumbnail is "
            "loading. Null for sounds and FILEs, and until the file is READY."
        ),
        metadata=SHARED,
    )
    is_animated: bool = strawberry.field(
        description=(
            "Whether it is a picture that moves. Its FULL rendition moves, the others are stills. "
            "False until it is READY."
        ),
        metadata={"plan": "is_animated", **SHARED},
    )
    thumbnail: SignedRendition | None = strawberry.field(
        resolver=_thumbnail,
        description=(
            "The rendition THUMBNAIL. Null if there is none, until the file is READY, and while "
            "the server has no key to sign URLs."
        ),
        graphql_type=Rendition | None,
        metadata=SHARED,
    )
    preview: SignedRendition | None = strawberry.field(
        resolver=_preview,
        description=(
            "The rendition PREVIEW. Null if there is none, until the file is READY, and while the "
            "server has no key to sign URLs."
        ),
        graphql_type=Rendition | None,
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


@strawberry.type(description="A header of a request. Send it unchanged.")
class UploadHeader:
    name: str = strawberry.field(
        description="The header's name. Browsers set Content-Length by themselves."
    )
    value: str = strawberry.field(description="The header's value.")


@describes(upload_tickets.UploadPart)
@strawberry.type(
    description=(
        "A part of a file, and the request that uploads it. The body of the request is the part's "
        "bytes."
    )
)
class UploadPart:
    number: int = strawberry.field(description="The number of the part in the file, from 1.")
    method: str = derived_field(
        lambda part: part.request.method,
        description="The method of the request: PUT.",
        graphql_type=str,
    )
    url: str = derived_field(
        lambda part: part.request.url,
        description=(
            "The signed URL of the request. It is valid for these headers and this size only."
        ),
        graphql_type=str,
    )
    headers: list[UploadHeader] = derived_field(
        lambda part: [UploadHeader(name=name, value=value) for name, value in part.request.headers],
        description="The headers that the signature covers. Send them all.",
        graphql_type=list[UploadHeader],
    )
    byte_size: int = strawberry.field(description="The size of the part in bytes.")
    uploaded: bool = strawberry.field(
        description=(
            "Whether storage has received the part. It may be sent again until the file is "
            "complete."
        )
    )


@describes(upload_tickets.UploadTicket)
@strawberry.type(
    description="The requests that upload a file: send each part, then call `completeUpload`."
)
class UploadTicket:
    media: StoredMedia = strawberry.field(description="The file.", graphql_type=Media)
    parts: list[upload_tickets.UploadPart] = strawberry.field(
        description=(
            "One part for a file of up to 8 MiB, else several parts of 8 MiB (the last one may be "
            "shorter). Send them in any order, any number at a time. Empty once the file is "
            "complete."
        ),
        graphql_type=list[UploadPart],
    )
    expires_at: datetime = strawberry.field(
        description=(
            "Begin the requests before this time, which is five minutes from now. After it, query "
            "`upload` for new ones; that is possible for one day."
        ),
        graphql_type=DateTime,
    )


@strawberry.input(description="A file to upload.")
class CreateUploadInput:
    kind: MediaKind = strawberry.field(description="How the file is to be shown.")
    file_name: str = strawberry.field(
        description=(
            "The name of the file, 1 to 255 characters in one line. Others see it only for a FILE."
        )
    )
    content_type: str = strawberry.field(
        description=(
            "The media type, for example image/jpeg, at most 100 characters. It must fit the kind "
            "(image/…, video/… or audio/…) unless that is FILE. The server finds the real type "
            "from the content."
        )
    )
    byte_size: int = strawberry.field(
        description="The exact size of the file in bytes: 1 to what `limits.uploadBytes` says."
    )


@strawberry.type(description="The answer if the file may be uploaded.")
class CreateUploadPayload:
    ticket: upload_tickets.UploadTicket = strawberry.field(
        description="The requests that upload the file.", graphql_type=UploadTicket
    )


CreateUploadResult = Annotated[
    CreateUploadPayload | Refusal,
    strawberry.union(
        "CreateUploadResult", description=("The requests that upload the file, or a Refusal.")
    ),
]


@strawberry.type(description="The answer if the upload is complete.")
class MediaPayload:
    media: StoredMedia = strawberry.field(description="The file.", graphql_type=Media)


MediaResult = Annotated[
    MediaPayload | Refusal,
    strawberry.union("MediaResult", description="The file, or a Refusal."),
]
