"""The program of the sandbox's child: it runs the renderer of the file's kind."""

from collections.abc import Callable
from typing import BinaryIO

import av.logging
import msgspec

from workers.media.renderers.pictures import render_picture
from workers.media.renderers.sounds import render_sound
from workers.media.renderers.videos import render_video
from workers.media.sandbox.protocol import MediaLimits, Rendered, RenderOrder

RENDERERS: dict[str, Callable[[BinaryIO, MediaLimits], Rendered]] = {
    "IMAGE": render_picture,
    "VIDEO": render_video,
    "AUDIO": render_sound,
}
# What decoders print is about somebody's file.
av.logging.set_level(None)


def run(order: bytes, source: BinaryIO) -> bytes:
    """Return the `Rendered` of a `RenderOrder`, both as MessagePack; its files are in the present
    folder.
    """
    ordered = msgspec.msgpack.decode(order, type=RenderOrder)
    return msgspec.msgpack.encode(RENDERERS[ordered.kind](source, ordered.limits))
