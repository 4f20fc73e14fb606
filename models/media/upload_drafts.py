"""Upload drafts: what a client wants to upload, and how it is cut into parts. Names and types are
stored as the client says them, for display only: nothing is stored, found or run by them.
"""

import re

import msgspec

from models.limits.limits import Limits
from models.media.media import MediaKind
from models.names import remove_hidden
from models.refusals import RefusalCode, Refused, invalid
from models.text import require_text

# Of any kind, whatever settings say: GraphQL's Int and PostgreSQL's integer end soon after.
MOST_BYTES = 2_000_000_000
# A larger file comes in parts of this size, the last one shorter: at most 239 of them.
PART_BYTES = 8 * 1024 * 1024
CONTENT_TYPE_LENGTH = 100

# RFC 6838, section 4.2; parameters with plain or quoted values.
_NAME = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}"
_PARAMETER = r' ?; ?[a-z0-9_-]+=(?:[a-z0-9!#$&^_.+-]+|"[a-z0-9 ,!#$&^_.+-]+")'
_CONTENT_TYPE = re.compile(rf"({_NAME})/{_NAME}(?:{_PARAMETER})*", re.ASCII | re.IGNORECASE)
_FAMILIES = {MediaKind.IMAGE: "image", MediaKind.VIDEO: "video", MediaKind.AUDIO: "audio"}


class UploadDraft(msgspec.Struct, frozen=True):
    """The input of `createUpload`."""

    kind: MediaKind
    file_name: str
    content_type: str
    byte_size: int


def require_draft(draft: UploadDraft, limits: Limits) -> UploadDraft:
    """Check the draft, and return it as it is stored.

    Raises:
        Refused: INVALID_INPUT and TOO_LARGE, naming the field.
    """
    if draft.byte_size < 1:
        raise invalid("A file has at least one byte.", "byteSize")
    most = upload_bytes(limits, draft.kind)
    if draft.byte_size > most:
        raise Refused(
            RefusalCode.TOO_LARGE, f"At most {most} bytes are allowed here.", field="byteSize"
        )
    return msgspec.structs.replace(
        draft,
        file_name=_require_file_name(draft.file_name, limits),
        content_type=_require_content_type(draft.content_type, draft.kind),
    )


def upload_bytes(limits: Limits, kind: MediaKind) -> int:
    """Return the largest size of a file of this kind, in bytes."""
    by_kind = {
        MediaKind.IMAGE: limits.image_upload_bytes,
        MediaKind.VIDEO: limits.video_upload_bytes,
        MediaKind.AUDIO: limits.audio_upload_bytes,
        MediaKind.FILE: limits.file_upload_bytes,
    }
    return min(by_kind[kind], MOST_BYTES)


def part_sizes(byte_size: int) -> dict[int, int]:
    """Return the bytes of each part by its number, from 1."""
    count = -(-byte_size // PART_BYTES)
    return {
        number: min(PART_BYTES, byte_size - (number - 1) * PART_BYTES)
        for number in range(1, count + 1)
    }


def _require_file_name(file_name: str, limits: Limits) -> str:
    """Return the name in one line, without invisible characters, which could make one ending look
    like another.
    """
    require_text(file_name, "fileName", limits.file_name_length, min_length=1)
    return remove_hidden(file_name, "fileName")


def _require_content_type(content_type: str, kind: MediaKind) -> str:
    """Return the content type, if it is well-formed and of the kind's own family.

    Raises:
        Refused: INVALID_INPUT.
    """
    found = _CONTENT_TYPE.fullmatch(content_type)
    if found is None or len(content_type) > CONTENT_TYPE_LENGTH:
        raise invalid("A content type is as image/jpeg, of at most 100 characters.", "contentType")
    family = _FAMILIES.get(kind)
    if family is not None and found[1].lower() != family:
        raise invalid(f"The content type of this kind begins with {family}/.", "contentType")
    return content_type
