"""What videos and sounds have in common: opening a container without following it anywhere, and
reading frames from it.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO, cast

import av
import av.error
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.frame import Frame
from av.stream import Disposition
from av.video.stream import VideoStream

from workers.media.sandbox.protocol import DAMAGED, Unusable

# Packets that no decoder understands; more, and the file is not worth it.
MOST_DAMAGED = 200
MOST_STREAMS = 64

VIDEO_CODECS = frozenset(
    {"h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg4", "h263", "mjpeg", "prores"}
)
SOUND_CODECS = frozenset(
    {
        *("aac", "aac_latm", "mp3", "mp3float", "mp2", "mp2float", "opus", "libopus", "vorbis"),
        *("flac", "alac", "ac3", "eac3", "amrnb", "amrwb", "pcm_s16le", "pcm_s16be", "pcm_s24le"),
        *("pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le", "pcm_f32be", "pcm_u8", "pcm_s8"),
        *("pcm_alaw", "pcm_mulaw", "pcm_f64le"),
    }
)


class Nowhere(Exception):
    """A file asked for another file."""


def _open_nothing(*_: object, **__: object) -> None:
    raise Nowhere


def open_container(source: BinaryIO, demuxer: str) -> InputContainer:
    """Open the file with this demuxer only, whatever else the file could be."""
    return av.open(
        source,
        "r",
        format=demuxer,
        options={
            "protocol_whitelist": "none",
            "format_whitelist": demuxer,
            "codec_whitelist": ",".join(sorted(VIDEO_CODECS | SOUND_CODECS)),
            "max_streams": str(MOST_STREAMS),
        },
        buffer_size=256 * 1024,
        metadata_errors="replace",
        io_open=_open_nothing,
    )


def find_video(container: InputContainer) -> VideoStream | None:
    """Return the first video stream that is one: the cover picture of a record is not."""
    for stream in container.streams.video:
        if not stream.disposition & (Disposition.attached_pic | Disposition.still_image):
            return stream
    return None


def find_sound(container: InputContainer) -> AudioStream | None:
    return next(iter(container.streams.audio), None)


def decoded(container: InputContainer, streams: list[VideoStream | AudioStream]) -> Iterator[Frame]:
    """Yield frames in the order of the file. Skip damage, up to a point."""
    damaged = 0
    packets = container.demux(streams)
    while True:
        try:
            packet = next(packets, None)
        except (av.error.InvalidDataError, av.error.EOFError, av.error.PermissionError):
            # It ends here.
            packet = None
        if packet is None:
            break
        try:
            frames = cast(list[Frame], packet.decode())
        except av.error.InvalidDataError:
            damaged += 1
            if damaged > MOST_DAMAGED:
                raise Unusable(DAMAGED) from None
            continue
        yield from frames


def time_of(frame: Frame) -> Fraction | None:
    """Return the time of the frame in seconds, as a fraction: a float would lose the order of
    frames.
    """
    if frame.pts is None or frame.time_base is None:
        return None
    return frame.pts * frame.time_base


def length_of(container: InputContainer) -> float:
    """Return the length in seconds as the file says; 0 when it says nothing."""
    return (container.duration or 0) / 1_000_000
