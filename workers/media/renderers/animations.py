"""Renders animated pictures: kept animated, as WebP, within limits of frames, size and bytes.

One frame at a time is in memory. Frames beyond the limit are left out evenly, and the remaining
ones are shown for longer; what is longer still ends early. From the point where the file is
damaged, the picture stands still.
"""

import os
import struct
from typing import Any

from PIL import Image, ImageFile

from models.media.renditions import Rendition, RenditionName
from workers.media.sandbox.protocol import MediaLimits, file_name, rendition_of

# GIFs say 0 or 10 ms and mean what browsers make of it.
SHORTEST_MS = 20
USUAL_MS = 100
LONGEST_MS = 60_000
# Of so many frames one stays at least; fewer would not move but jump.
MOST_STEP = 4
# What is tried until it is small enough: the share of the side, and the quality.
_TRIES = ((1.0, 65), (0.7, 50), (0.5, 40))
_WEBP = "image/webp"


def write_animation(picture: ImageFile.ImageFile, limits: MediaLimits) -> list[Rendition]:
    """Write the FULL rendition if it comes out small enough. Leave the picture at its
    first frame.
    """
    found: int = getattr(picture, "n_frames", 1)
    frames = min(found, limits.animation_pixels // (picture.width * picture.height))
    if frames < 2:
        return []
    step = min(MOST_STEP, -(-frames // limits.animation_frames))
    frames = min(frames, step * limits.animation_frames)
    path = file_name(RenditionName.FULL, _WEBP)
    for share, quality in _TRIES:
        film = _Film(picture, frames, step, round(limits.sizes.animation_px * share))
        film.save(
            path,
            "WEBP",
            save_all=True,
            duration=film.durations_ms,
            loop=0,
            quality=quality,
            method=2,
            background=(0, 0, 0, 0),
        )
        picture.seek(0)
        if os.path.getsize(path) <= limits.sizes.animation_bytes:
            return [rendition_of(RenditionName.FULL, _WEBP, *film.size)]
    os.unlink(path)
    return []


class _Film(Image.Image):
    """Frames as the encoder of WebP asks for them: every `step`-th, shrunk. The duration of a frame
    is known once that frame has been asked for.
    """

    def __init__(self, source: ImageFile.ImageFile, frames: int, step: int, side_px: int) -> None:
        super().__init__()
        self._source = source
        self._frames = frames
        self._step = step
        self.n_frames = -(-frames // step)
        self.durations_ms = [SHORTEST_MS] * self.n_frames
        scale = min(1.0, side_px / max(source.size))
        self._size = (
            max(1, round(source.width * scale)),
            max(1, round(source.height * scale)),
        )
        self._frame = -1
        self.seek(0)

    def seek(self, frame: int) -> None:
        # The encoder looks back at the first one when it has all.
        if frame <= self._frame:
            return
        self._frame = frame
        first = frame * self._step
        try:
            self._source.seek(first)
            self._show(self._source.convert("RGBA"))
            self.durations_ms[frame] = _duration_of(self._source)
            for skipped in range(first + 1, min(first + self._step, self._frames)):
                self._source.seek(skipped)
                self._source.load()
                self.durations_ms[frame] += _duration_of(self._source)
        except (EOFError, OSError, SyntaxError, ValueError, struct.error):
            if frame == 0:
                raise

    def tell(self) -> int:
        return self._frame

    def _show(self, shown: Image.Image) -> None:
        if shown.size != self._size:
            shown = shown.resize(self._size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        self._mode = shown.mode
        self.im: Any = shown.im


def _duration_of(picture: Image.Image) -> int:
    said = picture.info.get("duration") or 0
    if not isinstance(said, int | float) or said < SHORTEST_MS:
        return USUAL_MS
    return round(min(said, LONGEST_MS))
