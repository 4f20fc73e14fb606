"""Alice sends Bob a photograph and a clip, the way a phone does: straight to storage, part by part,
and on the other side by addresses that Bob's inbox leads to.

The files are made here. The photograph says where it was taken; what Bob gets must not.
"""

import asyncio
import math
import time
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import Any
from uuid import uuid4

import av
from PIL import Image

from examples.client import Device, Json

WITHIN_S = 60
# Of the 8 MiB parts of a large file, so many are under way at once.
PARTS_AT_ONCE = 3
GPS_IFD = 0x8825

CREATE_UPLOAD = """mutation ($input: CreateUploadInput!) {
  createUpload(input: $input) {
    ... on CreateUploadPayload {
      ticket { media { id } parts { method url headers { name value } byteSize } }
    }
    ... on Refusal { code reason }
  }
}"""
COMPLETE_UPLOAD = """mutation ($id: ID!) {
  completeUpload(mediaId: $id) {
    ... on MediaPayload { media { id state } }
    ... on Refusal { code reason }
  }
}"""
SEND = """mutation ($input: SendMessageInput!) {
  sendMessage(input: $input) {
    ... on SendMessagePayload { message { id seq } }
    ... on Refusal { code reason }
  }
}"""
MEDIA = """query ($id: ID!) {
  node(id: $id) {
    ... on Media {
      kind state failure width height durationMs placeholder
      renditions { name contentType byteSize width height url }
    }
  }
}"""


class Unfinished(Exception):
    """A file did not get there."""


@dataclass(frozen=True)
class File:
    name: str
    kind: str
    content_type: str
    content: bytes


@dataclass(frozen=True)
class Got:
    """A file as it came: what it was, what Bob's phone fetched, and after how long it could."""

    file: File
    media: Json
    fetched: dict[str, bytes]
    ready_after_s: float


def make_photo() -> File:
    """12 megapixels, taken in Venice."""
    noise = Image.effect_noise((4000, 3000), 40)
    sky = Image.linear_gradient("L").resize((4000, 3000))
    exif = Image.Exif()
    exif.get_ifd(GPS_IFD).update({1: "N", 2: (45.0, 26.0, 4.0), 3: "E", 4: (12.0, 20.0, 19.0)})
    stored = BytesIO()
    Image.merge("RGB", (sky, noise, sky.rotate(180))).save(stored, "JPEG", quality=90, exif=exif)
    return File("venice.jpg", "IMAGE", "image/jpeg", stored.getvalue())


def make_clip(seconds: int = 3, rate: int = 24) -> File:
    """Return a bright spot that goes round."""
    stored = BytesIO()
    with av.open(stored, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        stream.time_base = Fraction(1, rate)
        spot = Image.radial_gradient("L").resize((400, 400))
        for number in range(seconds * rate):
            turn = 2 * math.pi * number / rate
            picture = Image.new("RGB", (1280, 720), (20, 30, 60))
            place = (int(440 + 300 * math.cos(turn)), int(160 + 150 * math.sin(turn)))
            picture.paste(spot.convert("RGB"), place)
            frame = av.VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return File("spot.mp4", "VIDEO", "video/mp4", stored.getvalue())


async def send_file(device: Device, channel_id: str, file: File) -> str:
    """Return the media's id. The message is there at once; its file gets ready later."""
    about = {
        "kind": file.kind,
        "fileName": file.name,
        "contentType": file.content_type,
        "byteSize": len(file.content),
    }
    ticket = (await device.ask(CREATE_UPLOAD, input=about))["ticket"]
    gate, start, puts = asyncio.Semaphore(PARTS_AT_ONCE), 0, []
    for part in ticket["parts"]:
        puts.append(_put(gate, part, file.content[start : start + part["byteSize"]]))
        start += part["byteSize"]
    await asyncio.gather(*puts)
    media_id: str = ticket["media"]["id"]
    await device.ask(COMPLETE_UPLOAD, id=media_id)
    message = {"channelId": channel_id, "clientMessageId": uuid4().hex, "mediaIds": [media_id]}
    await device.ask(SEND, input=message)
    return media_id


async def _put(gate: asyncio.Semaphore, part: Json, content: bytes) -> None:
    """A part that fails may be sent again, to a new address (`upload`): this demo does not."""
    headers = {header["name"]: header["value"] for header in part["headers"]}
    request = urllib.request.Request(part["url"], content, headers, method=part["method"])
    async with gate:
        await asyncio.to_thread(_open, request)


def _open(request: urllib.request.Request | str) -> bytes:
    with urllib.request.urlopen(request, timeout=30) as answer:
        read: bytes = answer.read()
        return read


async def receive_file(device: Device, events: AsyncIterator[Json], media_id: str) -> Json:
    """Return the media, once the inbox has said that it is ready."""
    async for event in events:
        if any(
            media["id"] == media_id and media["state"] in ("READY", "FAILED")
            for media in (event.get("message") or {}).get("media", ())
        ):
            break
    media: Json = await device.ask(MEDIA, id=media_id)
    if media["state"] != "READY":
        raise Unfinished(f"{media['kind']} failed: {media['failure']}")
    return media


async def exchange(sender: Device, reader: Device, channel_id: str, seq: int) -> list[Got]:
    """Return the photograph and the clip, sent one after the other and fetched by the reader."""
    found = []
    events = aiter(reader.inbox({channel_id: seq}))
    for file in await asyncio.to_thread(lambda: [make_photo(), make_clip()]):
        begun = time.monotonic()
        try:
            async with asyncio.timeout(WITHIN_S):
                media_id = await send_file(sender, channel_id, file)
                media = await receive_file(reader, events, media_id)
        except TimeoutError:
            raise Unfinished(f"{file.name} is not ready after {WITHIN_S} s") from None
        ready_after_s = time.monotonic() - begun
        fetched = {
            each["name"]: await asyncio.to_thread(_open, each["url"])
            for each in media["renditions"]
        }
        found.append(Got(file, media, fetched, ready_after_s))
    return found


def require_clean(got: Got) -> None:
    """Check that the pictures are whole and say no more than they show.

    Raises:
        Unfinished: a picture still says where it was taken, or bytes are missing.
    """
    for rendition in got.media["renditions"]:
        content = got.fetched[rendition["name"]]
        if len(content) != rendition["byteSize"]:
            raise Unfinished(f"{got.file.name}: {rendition['name']} is not whole")
        if rendition["contentType"].startswith("image/"):
            exif: Any = Image.open(BytesIO(content)).getexif()
            if exif:
                raise Unfinished(f"{got.file.name}: {rendition['name']} still says where it was")
