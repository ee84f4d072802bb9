"""Music and effects, each brought to the working level and put in its place."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from uuid import uuid4

from sakuga.episode.channels import CHANNELS
from sakuga.episode.listen import listen
from sakuga.episode.loudness import WORKING_LEVEL, Loudness, Meter, amplitude
from sakuga.episode.moods import music_files, soundtrack_problems
from sakuga.episode.parts import Ducking, Loop, Part, Read, seamless
from sakuga.episode.sound import RAMP
from sakuga.episode.spec import Cue, Effect, EpisodeSpec, Layout
from sakuga.episode.speech import Spans
from sakuga.episode.timeline import Timeline
from sakuga.episode.wav import RATE, Cancelled, Wav, WavWriter, sample_at
from sakuga.errors import OptionError
from sakuga.settings import Settings

EFFECT_PEAK = -3.0
"""dBTP that an effect reaches at most before its own gain: the loudness of a knock says little."""

ONSET = RATE // 1000
"""1 ms, over which an effect comes: its attack stays."""

SHORTEST_LOOP = RATE // 10
"""Less music than 0.1 s is a tone when it is repeated."""


@dataclass
class Score:
    """Makes the parts of an episode that are not its scenes.

    Attributes:
        notes: what did not come out as it was asked for, as sentences.
    """

    spec: EpisodeSpec
    timeline: Timeline
    layout: Layout
    scratch: Path
    settings: Settings
    cancelled: Cancelled = None
    notes: list[str] = field(default_factory=list)
    _made: dict[tuple[Path, int], tuple[Wav, Loudness]] = field(default_factory=dict)

    @contextmanager
    def parts(self, speech: Spans) -> Iterator[list[Part]]:
        """All music and effects; the files that they are read from are removed afterwards.

        Args:
            speech: where somebody speaks, in samples of the episode.

        Raises:
            OptionError: files are missing or are no sound, all named at once; or music ends before its
                offset.
            DiskFullError: no room is left in the scratch folder.
            CancelledError: the work was cancelled.
        """
        soundtrack = self.spec.soundtrack
        if problems := soundtrack_problems(soundtrack, self.settings.limits):
            raise OptionError(" ".join(problems.values()))
        try:
            parts = [
                part
                for path, cue in zip(music_files(soundtrack), soundtrack.music, strict=True)
                if (part := self._cue(path, cue, speech))
            ]
            parts += [part for effect in soundtrack.effects if (part := self._effect(effect))]
            yield parts
        finally:
            for wav, _ in self._made.values():
                wav.path.unlink(missing_ok=True)
            self._made.clear()

    @property
    def _samples(self) -> int:
        return sample_at(self.timeline.duration)

    def _cue(self, path: Path, cue: Cue, speech: Spans) -> Part | None:
        base = self._scene_time(cue.scene)
        first = sample_at(base + cue.start)
        last = self._samples if cue.end is None else min(self._samples, sample_at(base + cue.end))
        if first >= last:
            self.notes.append(f"The music {path.name!r} would begin after the episode's end and is left out.")
            return None
        offset = sample_at(cue.offset)
        wav, found = self._sound(path, offset + last - first)
        if wav.samples <= offset:
            raise OptionError(
                f"The music {path} ends at {wav.samples / RATE:.2f} s, before its offset of "
                f"{float(cue.offset):g} s."
            )
        read: Read
        if cue.loop:
            read = self._loop(wav, offset, path).read
        else:
            last = min(last, first + wav.samples - offset)
            read = _after(wav, offset)
        fades = [max(RAMP, sample_at(fade)) for fade in (cue.fade_in, cue.fade_out)]
        squeeze = min(Fraction(1), Fraction(last - first, sum(fades)))
        return Part(
            first,
            last,
            read,
            fade_in=int(fades[0] * squeeze),
            fade_out=int(fades[1] * squeeze),
            gain=amplitude(_to_level(found) + cue.gain),
            ducking=Ducking(speech, cue.duck) if cue.duck else None,
        )

    def _loop(self, wav: Wav, offset: int, path: Path) -> Loop:
        if wav.samples - offset < SHORTEST_LOOP:
            raise OptionError(f"There is too little music in {path} after its offset to be repeated.")
        return seamless(wav, offset, wav.samples, RAMP)

    def _effect(self, effect: Effect) -> Part | None:
        path = Path(effect.file).expanduser()
        first = sample_at(self._scene_time(effect.scene) + self._mark(effect) + effect.at)
        if first >= self._samples:
            self.notes.append(
                f"The effect {path.name!r} would begin after the episode's end, so it is left out."
            )
            return None
        wav, found = self._sound(path, self._samples)
        gain = min(_to_level(found), EFFECT_PEAK - found.true_peak) + effect.gain
        last = min(first + wav.samples, self._samples)
        short = (last - first) // 2
        return Part(first, last, wav.read, min(ONSET, short), min(RAMP, short), amplitude(gain))

    def _scene_time(self, name: str | None) -> Fraction:
        return Fraction(0) if name is None else self.timeline.time(self.timeline.scene(name).first)

    def _mark(self, effect: Effect) -> Fraction:
        if effect.mark is None or effect.scene is None:
            return Fraction(0)
        return self.spec.scenes[self.spec.names.index(effect.scene)].marks[effect.mark]

    def _sound(self, path: Path, count: int) -> tuple[Wav, Loudness]:
        """The first samples of a file, and how loud they are; made once."""
        key = path, count
        if key not in self._made:
            output = self.scratch / f"sound-{uuid4().hex[:12]}.wav"
            meter = Meter(self.layout)
            blocks = listen(
                path, self.layout, count=count, limits=self.settings.limits, cancelled=self.cancelled
            )
            with WavWriter(output, len(CHANNELS[self.layout])) as file:
                for block in blocks:
                    file.append(block)
                    meter.push(block)
            wav = Wav(output, len(CHANNELS[self.layout]), file.samples)
            self._made[key] = wav, meter.result()
            if not wav.samples:
                raise OptionError(f"Nothing in {path} can be heard; give another file.")
        return self._made[key]


def _to_level(found: Loudness) -> float:
    return 0.0 if found.integrated is None else WORKING_LEVEL - found.integrated


def _after(wav: Wav, offset: int) -> Read:
    return lambda first, last: wav.read(offset + first, offset + last)
