"""A mix at the loudness that was asked for, encoded, and measured as it will be heard."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import Flags

from sakuga.episode.channels import CHANNELS
from sakuga.episode.limiter import CONTEXT, limited
from sakuga.episode.listen import listen
from sakuga.episode.loudness import Loudness, amplitude, measure
from sakuga.episode.spec import EpisodeOutput, Layout
from sakuga.episode.wav import BLOCK, RATE, Cancelled, Samples, Wav
from sakuga.errors import CancelledError
from sakuga.media.chunks import OWN_LIMITS
from sakuga.media.containers import aac_bit_rate
from sakuga.media.encode import beside, writing

TOLERANCE = 0.1
"""LU that a limited mix may be off; EBU R128 allows 0.5."""

MARGIN = 0.1
"""dB that the limiter stays below what is allowed: two meters differ by so much between the samples."""

CODING = 0.4
"""dB by which AAC makes the peaks of limited sound higher, mostly: they are limited by so much more at once,
since each try costs a pass over all of it."""

MAX_PUSH = 12.0
"""dB that a limited mix is turned up at most to make up for what the limiter took."""

LEAST_SLOPE = 0.25
"""Part of a higher gain that is taken to arrive at least."""

_PASSES = 6
_BIT_RATE = 128_000
"""Of AAC, for each channel: what it changes is not heard, and true peaks hardly grow."""


@dataclass(frozen=True)
class Mastered:
    """What was done: `gain` in dB, and limiting unless `linear`; and how loud the file is now."""

    loudness: Loudness
    gain: float
    linear: bool
    notes: tuple[str, ...] = ()


class Master:
    """Brings one mix to what was asked for.

    Attributes:
        codec: what it is encoded as, in ffmpeg's name.
    """

    def __init__(
        self,
        mix: Wav,
        found: Loudness,
        output: EpisodeOutput,
        cancelled: Cancelled = None,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        """Take the mix.

        Args:
            mix: at any level.
            found: how loud it is.
            output: the loudness, true peak and channels that were asked for, and the container, which decides
                on the codec: AAC; FLAC in MKV, which cannot say that AAC begins before time 0; PCM beside
                ProRes.
            cancelled: asked often; True stops.
            progress: told how much is done of an episode's sound; the second half is made here.
        """
        self._progress, self._most = progress, 0.5
        self._mix, self._found, self._output, self._cancelled = mix, found, output, cancelled
        self._layout: Layout = output.layout
        self.codec = "aac"
        if output.container == "mkv":
            self.codec = "flac"
        elif output.codec == "prores":
            self.codec = "pcm_s24le"

    def write(self, path: Path) -> Mastered:
        """Write the file, measure it, and write it again with less where the encoder made peaks too high.

        Raises:
            EncodeError: the encoder refused the sound.
            DiskFullError: no room is left.
            CancelledError: it was cancelled.
        """
        found = self._found
        part = beside(path)
        try:
            with writing(f"the sound {path.name}", path.parent):
                if found.integrated is None:
                    self._encode(part, 0.0, None)
                    part.replace(path)
                    note = "The episode is silent, so it has no loudness."
                    return Mastered(found, 0.0, linear=True, notes=(note,))
                heard, gain, linear, before = self._fitted(part, found.integrated)
                part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return Mastered(heard, gain, linear, self._notes(heard, linear, before))

    def _fitted(self, part: Path, loudness: float) -> tuple[Loudness, float, bool, float]:
        """Encode until it is right: how loud it is, its gain, whether that was all, the mix's loudness."""
        output = self._output
        aim, gain = output.loudness, output.loudness - loudness
        ceiling = None
        if self._found.true_peak + gain > output.true_peak:
            ceiling = output.true_peak - MARGIN - (CODING if self.codec == "aac" else 0)
        for _ in range(_PASSES):
            before = loudness + gain
            if ceiling is not None:
                gain, before = self._settled(aim, ceiling, gain)
            self._encode(part, gain, ceiling)
            heard = self._heard(part)
            over = heard.true_peak - output.true_peak
            lost = 0.0 if heard.integrated is None else before - heard.integrated
            missing = abs(aim - before) <= TOLERANCE and abs(output.loudness + lost - aim) > TOLERANCE
            if over <= 0 and not missing:
                break
            # What the encoder takes away is put on before.
            aim = output.loudness + lost
            if over > 0:
                ceiling = (output.true_peak if ceiling is None else ceiling) - over - MARGIN
            elif ceiling is None:
                gain = aim - loudness
        return heard, gain, ceiling is None, before

    def _settled(self, aim: float, ceiling: float, gain: float) -> tuple[float, float]:
        """The gain with which the limited mix is as loud as `aim`, as near as it gets; and how loud it is."""
        assert self._found.integrated is not None
        most = aim - self._found.integrated + MAX_PUSH
        gain, slope = min(gain, most), 1.0
        before, tried = aim, (0.0, 0.0)
        for number in range(_PASSES):
            found = measure(self._levelled(gain, ceiling), self._layout, true_peak=False).integrated
            before = aim if found is None else found
            if number and gain != tried[0]:
                # The more is limited, the less of a higher gain arrives.
                slope = min(1.0, max(LEAST_SLOPE, (before - tried[1]) / (gain - tried[0])))
            if abs(aim - before) <= TOLERANCE / 2 or (gain >= most and before < aim):
                break
            tried = gain, before
            gain = min(gain + (aim - before) / slope, most)
        return gain, before

    def _notes(self, heard: Loudness, linear: bool, before: float) -> tuple[str, ...]:
        output, notes = self._output, []
        if not linear:
            notes.append(
                f"At {output.loudness:g} LUFS the true peak would be above {output.true_peak:g} dBTP, so "
                "peaks were limited: the level is not changed by one gain alone."
            )
        if heard.integrated is None or abs(heard.integrated - output.loudness) > TOLERANCE * 2:
            notes.append(self._off(heard.integrated, before))
        if heard.true_peak > output.true_peak:
            notes.append(
                f"The encoder brings the true peak to {heard.true_peak:.1f} dBTP, above the "
                f"{output.true_peak:g} dBTP asked for."
            )
        return tuple(notes)

    def _off(self, heard: float | None, before: float) -> str:
        """Why it is not as loud as asked for: the peaks do not allow more, or the encoder changes it."""
        output = self._output
        told = "less than can be measured" if heard is None else f"{heard:.1f} LUFS"
        said = f"The loudness is {told} in place of {output.loudness:g} LUFS"
        if before < output.loudness - TOLERANCE and (heard is None or heard < output.loudness):
            return (
                f"{said}, which does not go with a true peak of {output.true_peak:g} dBTP; "
                "ask for a lower loudness."
            )
        return (
            f"{said}, as the encoder changes it: the mix had {before:.1f} LUFS; "
            "MKV holds the sound as it was mixed (`container: mkv`)."
        )

    def _levelled(self, gain: float, ceiling: float | None) -> Iterator[Samples]:
        factor = np.float32(amplitude(gain))
        for first in range(0, self._mix.samples, BLOCK):
            if self._cancelled and self._cancelled():
                raise CancelledError("Stopped as asked.")
            last = min(first + BLOCK, self._mix.samples)
            if ceiling is None:
                yield self._mix.read(first, last) * factor
            else:
                yield limited(self._mix.read(first - CONTEXT, last + CONTEXT) * factor, amplitude(ceiling))

    def _heard(self, path: Path) -> Loudness:
        blocks = listen(
            path, self._layout, count=self._mix.samples, limits=OWN_LIMITS, cancelled=self._cancelled
        )
        return measure(blocks, self._layout)

    def _tell(self, done: int) -> None:
        """How far it is; a second try tells nothing until it is further than the first."""
        share = 0.5 + 0.4 * done / self._mix.samples
        if self._progress and share > self._most:
            self._most = share
            self._progress(share)

    def _encode(self, path: Path, gain: float, ceiling: float | None) -> None:
        name = {"aac": "mp4", "flac": "matroska"}.get(self.codec, "mov")
        # The start and end are stored to the sample only if the whole file counts in samples.
        options = {} if name == "matroska" else {"movie_timescale": str(RATE)}
        with av.open(str(path.absolute()), "w", format=name, container_options=options) as container:
            container.flags |= cast(int, Flags.bitexact.value)
            stream = container.add_stream(self.codec, rate=RATE)
            assert isinstance(stream, av.AudioStream)
            stream.layout = self._layout
            stream.time_base = stream.codec_context.time_base = Fraction(1, RATE)
            if self.codec == "aac":
                channels = len(CHANNELS[self._layout])
                stream.bit_rate = aac_bit_rate(channels, _BIT_RATE * channels)
            else:
                stream.format = "s32"
            done = 0
            for block in self._levelled(gain, ceiling):
                container.mux(stream.encode(_frame(block, self._layout, self.codec, done)))
                done += len(block)
                self._tell(done)
            container.mux(stream.encode(None))


def _frame(block: Samples, layout: Layout, codec: str, first: int) -> AudioFrame:
    if codec == "aac":
        planes = np.ascontiguousarray(block.T, np.float32)
        frame = AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
    else:
        # 24 bits, in the upper part of 32, as both encoders take them.
        levels = np.clip(np.rint(block * 2.0**23), -(2**23), 2**23 - 1).astype(np.int32) << 8
        frame = AudioFrame.from_ndarray(levels.reshape(1, -1), format="s32", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = RATE, first, Fraction(1, RATE)
    return frame
