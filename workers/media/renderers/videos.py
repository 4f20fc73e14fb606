"""Videos: written anew as H.264 and AAC in MP4, upright, in square pixels, playable from its first
bytes on, without anything that the file says besides picture and sound; and a poster.

Runs in the sandbox's child.
"""

from fractions import Fraction
from typing import BinaryIO, cast

import av
from av.audio.frame import AudioFrame
from av.container.input import InputContainer
from av.container.output import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from models.media.renditions import RenditionName
from workers.media.renderers.colours import LIMITED_RANGE, SDR, Colours, colours_of
from workers.media.renderers.containers import (
    SOUND_CODECS,
    VIDEO_CODECS,
    decoded,
    find_sound,
    find_video,
    length_of,
    open_container,
    time_of,
)
from workers.media.renderers.file_types import HEAD_BYTES, VIDEOS, content_type_of
from workers.media.renderers.filters import FilmFilters, lies_on_its_side, shape_of, turns_of
from workers.media.renderers.pictures import write_poster
from workers.media.renderers.soundtrack import Coding, SoundTrack
from workers.media.sandbox.protocol import (
    DAMAGED,
    FRAME_TOO_LARGE,
    NOT_A_VIDEO,
    TOO_LONG,
    MediaLimits,
    Rendered,
    Unusable,
    file_name,
    rendition_of,
)

Size = tuple[int, int]

AAC = Coding("aac", "fltp", 1024, 128_000, 72_000)
_MP4 = "video/mp4"
FULL = RenditionName.FULL
# Of the picture's time, as MPEG has it.
_TICKS = 90_000
_MUXER = {"movflags": "+faststart", "fflags": "+bitexact"}
_FRAME_S = Fraction(1, 30)


def render_video(source: BinaryIO, limits: MediaLimits) -> Rendered:
    """Write the renditions of a video into the present folder.

    Raises:
        Unusable: it is not a video, is damaged, too large or too long.
    """
    content_type = content_type_of(source.read(HEAD_BYTES))
    if content_type not in VIDEOS:
        raise Unusable(NOT_A_VIDEO)
    source.seek(0)
    path = file_name(FULL, _MP4)
    with open_container(source, VIDEOS[content_type]) as container:
        video = _require_video(container, limits)
        with av.open(path, "w", format="mp4", options=_MUXER) as made:
            film = _Film(made, video, limits)
            _transcode(container, film, made, limits)
    if film.poster is None:
        raise Unusable(DAMAGED)
    stills, placeholder = write_poster(film.poster, limits.sizes)
    width, height = film.poster.size
    return Rendered(
        content_type,
        [rendition_of(FULL, _MP4, width, height), *stills],
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
            rate=limits.sizes.video_fps,
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
        self._stream.codec_context.gop_size = 4 * limits.sizes.video_fps
        self._filters: FilmFilters | None = None
        self._colours = SDR
        self._size: Size = (0, 0)
        self._last_slot = -1
        self._last_ticks = -1

    def write(self, frame: VideoFrame, at_s: Fraction) -> None:
        """Write the frame, unless it comes too soon after the last one.

        Raises:
            Unusable: it is too large, or too late.
        """
        if at_s > self._limits.video_s:
            raise Unusable(TOO_LONG)
        slot = int(at_s * self._limits.sizes.video_fps + Fraction(1, 4))
        ticks = int(at_s * _TICKS)
        if at_s < 0 or slot <= self._last_slot or ticks <= self._last_ticks:
            return
        self._last_slot, self._last_ticks = slot, ticks
        self.ends_at_s = at_s + _FRAME_S
        shown = self._shown(frame)
        if self.poster is None:
            self.poster = _poster_of(shown, self._colours)
        shown.pts = ticks
        shown.time_base = Fraction(1, _TICKS)
        self._made.mux(self._stream.encode(shown))

    def close(self) -> None:
        if self.poster is not None:
            self._made.mux(self._stream.encode(None))

    def _shown(self, frame: VideoFrame) -> VideoFrame:
        _require_size(frame.width, frame.height, self._limits)
        if self._filters is None:
            self._settle(frame)
        if self._filters is None or self._filters.shape != shape_of(frame):
            self._filters = FilmFilters(frame, self._size, self._colours, Fraction(1, _TICKS))
        return self._filters.run(frame)

    def _settle(self, frame: VideoFrame) -> None:
        width, height = _square(frame, self.source.sample_aspect_ratio)
        if lies_on_its_side(turns_of(frame)):
            width, height = height, width
        self.shown_size = (width, height)
        shorter, longer = min(width, height), max(width, height)
        sizes = self._limits.sizes
        scale = min(1, sizes.video_px / shorter, sizes.video_long_px / longer)
        self._size = (_even(width * scale), _even(height * scale))
        self._stream.width, self._stream.height = self._size
        self._colours = colours_of(frame).made()
        self._tell_colours()

    def _tell_colours(self) -> None:
        coding = self._stream.codec_context
        coding.colorspace = self._colours.matrix
        coding.color_range = LIMITED_RANGE
        coding.color_primaries = self._colours.primaries
        coding.color_trc = self._colours.transfer


def _poster_of(frame: VideoFrame, colours: Colours) -> Image.Image:
    """Return the frame as a picture with the same R'G'B', which a picture has without any colour
    information.
    """
    picture: Image.Image = frame.to_image(  # type: ignore[no-untyped-call]
        src_colorspace=colours.matrix, src_color_range=LIMITED_RANGE
    )
    return picture


def _square(frame: VideoFrame, ratio: Fraction | None) -> Size:
    """Return the size in square pixels; a pixel ratio that no camera has is ignored."""
    if not ratio or not Fraction(1, 4) <= ratio <= 4:
        return frame.width, frame.height
    return max(1, round(frame.width * ratio)), frame.height


def _even(side: float) -> int:
    """Return an even number of pixels, which the encoder needs."""
    return max(2, int(side) // 2 * 2)
