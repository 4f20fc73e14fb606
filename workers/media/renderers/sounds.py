"""Renders sound recordings: written anew as Opus, without cover, titles or anything else besides
the sound.

Runs in the sandbox's child.
"""

import io
from fractions import Fraction
from typing import BinaryIO, cast

import av
from av.audio.frame import AudioFrame

from models.media.renditions import RenditionName
from workers.media.renderers.containers import (
    SOUND_CODECS,
    decoded,
    find_sound,
    find_video,
    length_of,
    open_container,
    time_of,
)
from workers.media.renderers.file_types import HEAD_BYTES, SOUND_OF, SOUNDS, content_type_of
from workers.media.renderers.soundtrack import Coding, SoundTrack
from workers.media.sandbox.protocol import (
    DAMAGED,
    NOT_A_SOUND,
    TOO_LONG,
    MediaLimits,
    Rendered,
    Unusable,
    file_name,
    rendition_of,
)

OPUS = Coding("libopus", "s16", 960, 96_000, 32_000)
_OGG = "audio/ogg"
FULL = RenditionName.FULL
# No name of a program, no random serial numbers: equal sounds are equal files.
BITEXACT = {"fflags": "+bitexact"}


def render_sound(source: BinaryIO, limits: MediaLimits) -> Rendered:
    """Write the rendition of a recording into the present folder.

    Raises:
        Unusable: it is not a recording, is damaged, or is too long.
    """
    found = content_type_of(source.read(HEAD_BYTES))
    content_type = SOUND_OF.get(found, found)
    if content_type not in SOUNDS:
        raise Unusable(NOT_A_SOUND)
    most_s = _most_s(source, limits)
    source.seek(0)
    with open_container(source, SOUNDS[content_type]) as container:
        sound = find_sound(container)
        if sound is None or find_video(container) is not None:
            raise Unusable(NOT_A_SOUND)
        if sound.codec_context.name not in SOUND_CODECS:
            raise Unusable(DAMAGED)
        if length_of(container) > most_s:
            raise Unusable(TOO_LONG)
        with av.open(file_name(FULL, _OGG), "w", format="ogg", options=BITEXACT) as made:
            mono = sound.codec_context.channels == 1
            track = SoundTrack(made, OPUS, mono=mono, most_s=most_s, least_hz=limits.sound_least_hz)
            began: Fraction | None = None
            for frame in decoded(container, [sound]):
                at_s = time_of(frame)
                began = at_s if began is None else began
                track.write(
                    cast(AudioFrame, frame), None if at_s is None or began is None else at_s - began
                )
            track.close()
    if track.duration_s == 0:
        raise Unusable(DAMAGED)
    return Rendered(
        content_type, [rendition_of(FULL, _OGG)], duration_ms=round(track.duration_s * 1000)
    )


def _most_s(source: BinaryIO, limits: MediaLimits) -> float:
    """Return how many seconds a file of this size may last. A gap or a silence that a file only
    names costs as much to write as a sound.
    """
    byte_size = source.seek(0, io.SEEK_END)
    return min(limits.sound_s, limits.sound_free_s + byte_size / limits.sound_bytes_per_s)
