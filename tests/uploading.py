"""Media in tests: uploads through the API and storage, and files that are there already, made the
short way.
"""

from typing import Any

import httpx2

from models import ids
from models.media.media import MediaKind, MediaState, encode_media
from models.media.renditions import Rendition, RenditionName
from models.postgresql.database import Database
from tests.client import Json
from tests.make import REFUSAL, Person

MEDIA = """id kind state failure fileName contentType byteSize width height durationMs placeholder
    renditions { name contentType byteSize width height url urlExpiresAt }"""
TICKET = f"""media {{ {MEDIA} }} expiresAt
    parts {{ number method url headers {{ name value }} byteSize uploaded }}"""
CREATE_UPLOAD = f"""mutation ($input: CreateUploadInput!) {{ createUpload(input: $input) {{
    __typename ... on CreateUploadPayload {{ ticket {{ {TICKET} }} }} {REFUSAL} }} }}"""
UPLOAD = f"query ($id: ID!) {{ upload(mediaId: $id) {{ {TICKET} }} }}"
COMPLETE_UPLOAD = f"""mutation ($id: ID!) {{ completeUpload(mediaId: $id) {{
    __typename ... on MediaPayload {{ media {{ {MEDIA} }} }} {REFUSAL} }} }}"""
SEND_MEDIA = f"""mutation ($input: SendMessageInput!) {{ sendMessage(input: $input) {{ __typename
    ... on SendMessagePayload {{ replayed message {{ id seq kind text media {{ {MEDIA} }} }} }}
    {REFUSAL} }} }}"""
PROFILE = f"""mutation ($input: UpdateProfileInput!) {{ updateProfile(input: $input) {{ __typename
    ... on UpdateProfilePayload {{ user {{ id name avatar {{ {MEDIA} }} }} }} {REFUSAL} }} }}"""
NODE = f"query ($id: ID!) {{ node(id: $id) {{ __typename ... on Media {{ {MEDIA} }} }} }}"
MESSAGE_MEDIA = "query ($id: ID!) { node(id: $id) { ... on Message { media { id state } } } }"
# An id that nothing has.
UNKNOWN = "med_" + "0" * 32
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def announced(content: bytes, **more: Any) -> Json:
    """Return what `createUpload` is given of a file."""
    return {
        "kind": "IMAGE",
        "fileName": "beach.png",
        "contentType": "image/png",
        "byteSize": len(content),
    } | more


async def create_upload(person: Person, content: bytes = PNG, **more: Any) -> Json:
    """Return the ticket."""
    created = await person.mutate(CREATE_UPLOAD, input=announced(content, **more))
    assert created["__typename"] == "CreateUploadPayload", created
    ticket: Json = created["ticket"]
    return ticket


async def put(
    person: Person, part: Json, content: bytes, *, url: str | None = None, **headers: str
) -> httpx2.Response:
    """Does what the part says; the length is what the content has."""
    said = {each["name"]: each["value"] for each in part["headers"]}
    del said["Content-Length"]
    said |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await person.server.http.request(
        part["method"], url or part["url"], content=content, headers=said
    )


async def put_all(person: Person, ticket: Json, content: bytes) -> None:
    """Every part that storage does not have."""
    start = 0
    for part in ticket["parts"]:
        piece = content[start : start + part["byteSize"]]
        start += part["byteSize"]
        if not part["uploaded"]:
            assert (await put(person, part, piece)).status_code == 200


async def complete(person: Person, media_id: str) -> Any:
    """Return the payload, or the Refusal."""
    return await person.mutate(COMPLETE_UPLOAD, id=media_id)


async def upload(person: Person, content: bytes = PNG, **more: Any) -> str:
    """Return the id of a file that is uploaded whole."""
    ticket = await create_upload(person, content, **more)
    await put_all(person, ticket, content)
    media_id: str = ticket["media"]["id"]
    completed = await complete(person, media_id)
    assert completed["__typename"] == "MediaPayload", completed
    return media_id


async def make_media(
    database: Database,
    owner: Person,
    *,
    kind: MediaKind = MediaKind.IMAGE,
    state: MediaState = MediaState.READY,
    file_name: str = "beach.png",
) -> str:
    """Return the id of a file in some state; READY ones say that they have renditions, and nothing
    of it is in storage.
    """
    media_id, content_id = ids.new_id(), ids.new_id()
    name = RenditionName.ORIGINAL if kind is MediaKind.FILE else RenditionName.THUMBNAIL
    stored = Rendition(name, f"media/{content_id}/thumbnail", "image/webp", 99, 32, 24)
    is_ready = state is MediaState.READY
    await database.execute(
        """
        INSERT INTO media (id, owner_id, kind, state, file_name, content_type, byte_size,
                           created_at, completed_at, content_id, renditions, width)
        VALUES ($1, $2, $3, $4, $5, 'image/png', 1000, now(), now(), $6, $7, $8)
        """,
        media_id,
        owner.user.id,
        kind.value,
        state.value,
        file_name,
        content_id,
        encode_media([stored]).decode() if is_ready else None,
        640 if is_ready else None,
    )
    return ids.media_global_id(media_id)


async def set_state(database: Database, media_id: str, state: MediaState) -> None:
    await database.execute(
        "UPDATE media SET state = $2 WHERE id = $1", media_id.removeprefix("med_"), state.value
    )


async def send_media(person: Person, channel_id: str, *media_ids: str, **more: Any) -> Any:
    """Return the payload, or the Refusal."""
    draft = person.draft(channel_id, mediaIds=list(media_ids), **more)
    return await person.mutate(SEND_MEDIA, input=draft)


async def sent_media(person: Person, channel_id: str, *media_ids: str, **more: Any) -> Json:
    """Return the stored message."""
    sent = await send_media(person, channel_id, *media_ids, **more)
    assert sent["__typename"] == "SendMessagePayload", sent
    message: Json = sent["message"]
    return message


async def sees(person: Person, media_id: str) -> bool:
    found = await person.mutate(NODE, id=media_id)
    return found is not None


async def list_jobs(database: Database, kind: str, media_id: str) -> list[int]:
    """Return the ids of the jobs of a kind that name a file."""
    rows = await database.fetch(
        "SELECT id FROM jobs "
        "WHERE kind = $1 AND position($2 IN convert_from(payload, 'UTF8')) > 0 ORDER BY id",
        kind,
        media_id.removeprefix("med_"),
    )
    return [row[0] for row in rows]
