"""Decoded sound, made contiguous from its beginning on and encoded; gaps become silence."""

from fractions import Fraction
from typing import cast

import msgspec
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container.output import OutputContainer

from workers.media.sandbox.protocol import DAMAGED, TOO_LONG, Unusable

RATE = 48_000
# A shorter gap is a matter of rounding.
_GAP_S = Fraction(1, 10)


class Coding(msgspec.Struct, frozen=True):
    """`frame_samples` as the encoder wants them; bits a second."""

    codec: str
    sample_format: str
    frame_samples: int
    bit_rate: int
    mono_bit_rate: int


class SoundTrack:
    def __init__(
        self,
        container: OutputContainer,
        coding: Coding,
        *,
        mono: bool,
        most_s: float,
        least_hz: int,
    ) -> None:
        self._container = container
        self._coding = coding
        self._layout = "mono" if mono else "stereo"
        self._most_samples = int(most_s * RATE)
        self._least_hz = least_hz
        stream = container.add_stream(
            coding.codec, rate=RATE, format=coding.sample_format, layout=self._layout
        )
        self._stream = cast(AudioStream, stream)
        self._stream.bit_rate = coding.mono_bit_rate if mono else coding.bit_rate
        self._stream.time_base = Fraction(1, RATE)
        self._resampler: AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None
        self._waiting = AudioFifo()
        self._taken = 0
        self._encoded = 0

    @property
    def duration_s(self) -> Fraction:
        return Fraction(self._encoded, RATE)

    def write(self, frame: AudioFrame, at_s: Fraction | None) -> None:
        """Write a frame of sound.

        Raises:
            Unusable: it becomes too long, or has too few samples a second.
        """
        if frame.sample_rate < self._least_hz:
            raise Unusable(DAMAGED)
        if at_s is not None and at_s - Fraction(self._taken, RATE) > _GAP_S:
            self._fill(int(at_s * RATE) - self._taken)
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._shape:
            self._resample(None)
            self._shape = shape
            self._resampler = AudioResampler(self._coding.sample_format, self._layout, RATE)
        frame.pts = None
        self._resample(frame)

    def close(self) -> None:
        """Encode what is left."""
        self._resample(None)
        self._encode(whole=False)
        self._container.mux(self._stream.encode(None))

    def _resample(self, frame: AudioFrame | None) -> None:
        if self._resampler is None:
            return
        for resampled in self._resampler.resample(frame):
            self._take(resampled)

    def _take(self, frame: AudioFrame) -> None:
        self._taken += frame.samples
        if self._taken > self._most_samples:
            raise Unusable(TOO_LONG)
        frame.pts = None
        self._waiting.write(frame)
        self._encode(whole=True)

    def _fill(self, samples: int) -> None:
        if self._taken + samples > self._most_samples:
            raise Unusable(TOO_LONG)
        while samples > 0:
            part = min(samples, RATE)
            silence = AudioFrame(self._coding.sample_format, self._layout, part)
            silence.sample_rate = RATE
            for plane in silence.planes:
                plane.update(bytes(plane.buffer_size))
            self._take(silence)
            samples -= part

    def _encode(self, *, whole: bool) -> None:
        """Encode what has come together, in frames of the encoder's size; the last may be short."""
        while frame := self._waiting.read(self._coding.frame_samples, partial=not whole):
            frame.pts = self._encoded
            frame.time_base = Fraction(1, RATE)
            self._encoded += frame.samples
            self._container.mux(self._stream.encode(frame))
