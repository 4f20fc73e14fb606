"""Videos: written anew as H.264 and AAC in MP4, upright, in square pixels, playable from its first
bytes on, without anything that the file says besides picture and sound; and a poster.

Runs in the sandbox's child.
"""

from fractions import Fraction
from typing import BinaryIO, cast

import av
import av.filter
from av.audio.frame import AudioFrame
from av.container.input import InputContainer
from av.container.output import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from workers.media.forms import (
    DAMAGED,
    FRAME_TOO_LARGE,
    NOT_A_VIDEO,
    TOO_LONG,
    MediaLimits,
    Rendered,
    Unusable,
    Written,
    file_name,
)
from workers.media.kinds import HEAD_BYTES, VIDEOS, content_type_of
from workers.media.pictures import write_poster
from workers.media.soundtrack import Coding, SoundTrack
from workers.media.timelines import (
    SOUND_CODECS,
    VIDEO_CODECS,
    decoded,
    find_sound,
    find_video,
    length_of,
    open_container,
    time_of,
)

Size = tuple[int, int]

AAC = Coding("aac", "fltp", 1024, 128_000, 72_000)
_MP4 = "video/mp4"
# Of the picture's time, as MPEG has it.
_TICKS = 90_000
_MUXER = {"movflags": "+faststart", "fflags": "+bitexact"}
_TURNS = {90: ("cclock",), 180: ("clock", "clock"), 270: ("clock",)}
_FRAME_S = Fraction(1, 30)


def render_video(source: BinaryIO, limits: MediaLimits) -> Rendered:
    """Writes its renditions in the present folder.

    Raises:
        Unusable
    """
    content_type = content_type_of(source.read(HEAD_BYTES))
    if content_type not in VIDEOS:
        raise Unusable(NOT_A_VIDEO)
    source.seek(0)
    path = file_name("FULL", _MP4)
    with open_container(source, VIDEOS[content_type]) as container:
        video = _require_video(container, limits)
        with av.open(path, "w", format="mp4", options=_MUXER) as made:
            film = _Film(made, video, limits)
            _transcode(container, film, made, limits)
    if film.poster is None:
        raise Unusable(DAMAGED)
    written, placeholder = write_poster(film.poster, limits)
    width, height = film.poster.size
    return Rendered(
        content_type,
        [Written("FULL", _MP4, width, height), *written],
        width=film.shown_size[0],
        height=film.shown_size[1],
        duration_ms=round(film.ends_at_s * 1000),
        placeholder=placeholder,
    )


def _require_video(container: InputContainer, limits: MediaLimits) -> VideoStream:
    video = find_video(container)
    if video is None:
        raise Unusable(NOT_A_VIDEO)
    if video.codec_context.name not in VIDEO_CODECS:
        raise Unusable(DAMAGED)
    _require_size(video.width, video.height, limits)
    if length_of(container) > limits.video_s:
        raise Unusable(TOO_LONG)
    video.thread_count = limits.codec_threads
    return video


def _require_size(width: int, height: int, limits: MediaLimits) -> None:
    if width * height > limits.video_pixels:
        raise Unusable(FRAME_TOO_LARGE)


def _transcode(
    container: InputContainer, film: "_Film", made: OutputContainer, limits: MediaLimits
) -> None:
    sound = find_sound(container)
    if sound is not None and sound.codec_context.name not in SOUND_CODECS:
        sound = None
    track: SoundTrack | None = None
    if sound is not None:
        mono = sound.codec_context.channels == 1
        track = SoundTrack(
            made, AAC, mono=mono, most_s=limits.video_s, least_hz=limits.sound_least_hz
        )
    began = Fraction(container.start_time or 0, 1_000_000)
    for frame in decoded(container, [film.source, *([sound] if sound else [])]):
        at_s = time_of(frame)
        if isinstance(frame, AudioFrame):
            if track is not None:
                track.write(frame, None if at_s is None else at_s - began)
        elif at_s is not None:
            film.write(cast(VideoFrame, frame), at_s - began)
    film.close()
    if track is not None:
        track.close()


class _Film:
    """The picture of the video that is made. Its size is settled by the first frame."""

    def __init__(self, made: OutputContainer, source: VideoStream, limits: MediaLimits) -> None:
        self.source = source
        self.poster: Image.Image | None = None
        self.shown_size: Size = (0, 0)
        self.ends_at_s = Fraction(0)
        self._made = made
        self._limits = limits
        self._stream = made.add_stream(
            "libx264",
            rate=limits.video_fps,
            options={
                "preset": "veryfast",
                "crf": "26",
                "maxrate": "2500k",
                "bufsize": "5000k",
                "profile": "high",
                "threads": str(limits.codec_threads),
            },
        )
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, _TICKS)
        self._stream.codec_context.gop_size = 4 * limits.video_fps
        self._graph: _Graph | None = None
        self._size: Size = (0, 0)
        self._last_slot = -1
        self._last_ticks = -1

    def write(self, frame: VideoFrame, at_s: Fraction) -> None:
        """Unless it comes too soon after the last one.

        Raises:
            Unusable: it is too large, or too late.
        """
        if at_s > self._limits.video_s:
            raise Unusable(TOO_LONG)
        slot = int(at_s * self._limits.video_fps + Fraction(1, 4))
        ticks = int(at_s * _TICKS)
        if at_s < 0 or slot <= self._last_slot or ticks <= self._last_ticks:
            return
        self._last_slot, self._last_ticks = slot, ticks
        self.ends_at_s = at_s + _FRAME_S
        shown = self._shown(frame)
        if self.poster is None:
            self.poster = shown.to_image()  # type: ignore[no-untyped-call]
        shown.pts = ticks
        shown.time_base = Fraction(1, _TICKS)
        self._made.mux(self._stream.encode(shown))

    def close(self) -> None:
        if self.poster is not None:
            self._made.mux(self._stream.encode(None))

    def _shown(self, frame: VideoFrame) -> VideoFrame:
        _require_size(frame.width, frame.height, self._limits)
        shape = (frame.width, frame.height, frame.format.name)
        if self._graph is None:
            self._settle(frame)
        if self._graph is None or self._graph.shape != shape:
            turns = _TURNS.get(frame.rotation % 360, ())
            self._graph = _Graph(frame, self._size, turns)
        return self._graph.run(frame)

    def _settle(self, frame: VideoFrame) -> None:
        width, height = _square(frame, self.source.sample_aspect_ratio)
        if frame.rotation % 180:
            width, height = height, width
        self.shown_size = (width, height)
        shorter, longer = min(width, height), max(width, height)
        scale = min(1, self._limits.video_px / shorter, self._limits.video_long_px / longer)
        self._size = (_even(width * scale), _even(height * scale))
        self._stream.width, self._stream.height = self._size


class _Graph:
    """FFmpeg's filters for frames of one shape: shrink, turn, and nothing said of the pixels'
    shape.
    """

    def __init__(self, frame: VideoFrame, size: Size, turns: tuple[str, ...]) -> None:
        self.shape = (frame.width, frame.height, frame.format.name)
        width, height = size if len(turns) != 1 else size[::-1]
        graph = av.filter.Graph()
        graph.threads = 1
        steps = [
            graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=Fraction(1, _TICKS),
            ),
            graph.add("scale", f"{width}:{height}:flags=bicubic:out_range=tv"),
            graph.add("format", "yuv420p"),
            *(graph.add("transpose", turn) for turn in turns),
            graph.add("setsar", "1"),
            graph.add("sidedata", "delete"),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*steps).configure()
        self._graph = graph

    def run(self, frame: VideoFrame) -> VideoFrame:
        frame.pts = 0
        frame.time_base = Fraction(1, _TICKS)
        self._graph.vpush(frame)
        return self._graph.vpull()


def _square(frame: VideoFrame, ratio: Fraction | None) -> Size:
    """The size in square pixels; a ratio that no camera has is not believed."""
    if not ratio or not Fraction(1, 4) <= ratio <= 4:
        return frame.width, frame.height
    return max(1, round(frame.width * ratio)), frame.height


def _even(side: float) -> int:
    """As the encoder needs it."""
    return max(2, int(side) // 2 * 2)
