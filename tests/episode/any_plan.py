"""Random episodes of tiny clips, and when everything of them is due, by the rules of the page."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any, get_args

from hypothesis import strategies as st

from sakuga.episode.spec import Direction, EpisodeSpec, Kind, Scene
from tests.episode.sounds import burst, repeated, tone, write_clip

NTSC = Fraction(30000, 1001)
BURST = Fraction(3, 100)
"""Seconds from the beginning of a burst to its middle."""

RATES = [Fraction(rate) for rate in ("10", "12.5", "24", "24000/1001", "25", "30000/1001", "48", "60")]
SPEEDS = [Fraction(speed) for speed in ("1", "1", "1", "1/2", "3/4", "3/2", "2", "3")]
IRREGULAR = [0, 40, 75, 130, 165, 200, 235, 290, 320, 360, 410, 440, 475, 530, 560, 590, 640, 690, 720, 770]
"""Frame times in ms whose mean is 25 frames per second; the last frame is there for 40 ms."""


@dataclass(frozen=True)
class Kept:
    """A clip: its frames say `shows`, `shows + 1`, ..., and it bursts once at `at` seconds, or never."""

    name: str
    shows: int
    frames: int
    fps: Fraction
    size: tuple[int, int] = (64, 48)
    at: Fraction | None = None
    sound: dict[str, Any] | None = None
    """How its sound is stored; None is no sound."""
    options: dict[str, str] | None = None
    times: tuple[int, ...] = ()
    """In ms; none at a constant rate."""

    @cached_property
    def due(self) -> list[Fraction]:
        """When each frame is shown, and when the last one ends, in seconds."""
        if self.times:
            return [Fraction(time, 1000) for time in (*self.times, 810)]
        return [number / self.fps for number in range(self.frames + 1)]

    def write(self, folder: Path) -> Path:
        """Make the file."""
        how = dict(self.sound or {})
        channels, rate = how.pop("channels", 2), how.get("rate", 48000)
        seconds = float(self.due[-1])
        wave = None
        if self.sound is not None:
            at = (
                tone(seconds, level=0.2, rate=rate)
                if self.at is None
                else burst(seconds, float(self.at), rate)
            )
            wave = repeated(at, channels)
        return write_clip(
            folder / self.name,
            wave,
            frames=self.frames,
            fps=self.fps,
            size=self.size,
            shows=self.shows,
            times=self.times or None,
            options=self.options,
            **how,
        )


GROUPS = {"g": "10", "sc_threshold": "0"}
CLIPS = (
    Kept("film.mov", 100, 36, Fraction(24), at=Fraction(7, 10), sound={}, options=GROUPS),
    Kept("it's tv.mp4", 200, 40, NTSC, (72, 40), Fraction(1, 2), {"codec": "aac"}, {**GROUPS, "bf": "2"}),
    Kept("drawn.mp4", 300, 14, Fraction(10), (96, 64)),
    Kept("fast.mkv", 400, 72, Fraction(60), (64, 48), Fraction(9, 10), {"rate": 44100, "channels": 1}),
    Kept("-one.mp4", 500, 1, Fraction(25)),
    Kept("one loud.mov", 600, 1, Fraction(30), (48, 48), None, {}),
    Kept(
        "phone.mkv", 700, 20, Fraction(25), (48, 48), Fraction(2, 5), {"rate": 32000}, None, tuple(IRREGULAR)
    ),
    Kept("wide.mov", 800, 30, Fraction(25), (64, 48), Fraction(3, 5), {"channels": 6}),
    Kept("mute.mp4", 900, 40, Fraction(24), options={**GROUPS, "bf": "2"}),
)
BY_NAME = {clip.name: clip for clip in CLIPS}


@dataclass(frozen=True)
class Part:
    """A scene in the episode: its first frame, how many it has, and how many of these it shares."""

    first: int
    frames: int
    before: int
    after: int


def nearest(seconds: Fraction, rate: Fraction) -> int:
    """The whole number of frames nearest to a time, the larger of two."""
    return int(seconds * rate + Fraction(1, 2))


def rate_of(spec: EpisodeSpec) -> Fraction:
    """What was asked for, else the most frequent rate of the clips, of two the larger."""
    count = Counter(BY_NAME[scene.clip].fps for scene in spec.scenes)
    return spec.output.fps or max(count, key=lambda rate: (count[rate], rate))


def length(scene: Scene, rate: Fraction) -> int:
    """Frames of a scene."""
    whole = BY_NAME[scene.clip].due[-1]
    end = whole if scene.end is None else min(scene.end, whole)
    return max(1, nearest((end - scene.start) / scene.speed, rate))


def parts(spec: EpisodeSpec) -> list[Part]:
    """Where all scenes are."""
    made: list[Part] = []
    rate, first, before = rate_of(spec), 0, 0
    for scene in spec.scenes:
        transition = scene.transition or spec.transition
        after = 0 if transition.kind == "cut" else max(1, nearest(transition.seconds, rate))
        if len(made) == len(spec.scenes) - 1:
            after = 0
        made.append(Part(first, length(scene, rate), before, after))
        first, before = first + made[-1].frames - after, after
    return made


def shown(scene: Scene, number: int, rate: Fraction) -> int:
    """The number that this frame of a scene says: that of the clip's frame nearest to its time.

    Of two that are as near it is the earlier; the later one has to come within half a frame of the episode.
    """
    clip, step = BY_NAME[scene.clip], scene.speed / rate
    time = scene.start + number * step
    there = [due for due in clip.due[:-1] if scene.end is None or due < scene.end] or clip.due[:1]
    found = max(index for index, due in enumerate(there) if due <= time)
    if found + 1 < len(there):
        late, early = time - there[found], there[found + 1] - time
        found += early < late and early < step / 2
    return clip.shows + found


@st.composite
def plans(draw: st.DrawFn) -> EpisodeSpec:
    """Any episode of the clips; transitions that its scenes are too short for are cuts."""
    scenes = [draw(_scenes()) for _ in range(draw(st.sampled_from([1, 2, 3, 3, 4, 5])))]
    said = {
        "title": "Any",
        "scenes": scenes,
        "transition": draw(_transitions()),
        "credits": draw(st.sampled_from([None, None, {"lines": ["A", "B"], "seconds": "1/3", "size": 0.2}])),
        "output": {
            **draw(st.sampled_from([{}, {"width": 64, "height": 48}, {"width": 96, "height": 64}])),
            "fps": draw(st.none() | st.sampled_from(RATES)),
            "container": draw(st.sampled_from(["mp4", "mp4", "mkv", "mov"])),
            "layout": draw(st.sampled_from(["stereo", "stereo", "mono", "5.1"])),
            "bit_depth": draw(st.sampled_from(["8", "8", "8", "10"])),
            "loudness": draw(st.sampled_from([-14, -23])),
            "preset": "ultrafast",
            "quality": 12,
        },
    }
    return _fitting(EpisodeSpec.model_validate(said))


@st.composite
def _times(draw: st.DrawFn, first: Fraction, last: Fraction) -> Fraction:
    """A time in a range: that of a frame of some rate, or any."""
    unit = draw(st.sampled_from([*RATES, Fraction(1000), Fraction(997)]))
    return draw(st.integers(ceil(first * unit), int(last * unit))) / unit


@st.composite
def _scenes(draw: st.DrawFn) -> dict[str, Any]:
    clip = draw(st.sampled_from(CLIPS))
    whole = clip.due[-1]
    start = draw(st.just(Fraction(0)) | _times(Fraction(0), whole / 2))
    least = draw(st.sampled_from([Fraction(1, 50), Fraction(1, 2), Fraction(1, 2)]))
    seconds = draw(st.none() | _times(least, whole + 1))
    title = {"text": "SO", "place": "bottom", "size": 0.15, "fade": 0}
    time = st.fractions(Fraction(1, 50), 1, max_denominator=50)
    titles = st.lists(st.builds(lambda at, length: {**title, "at": at, "seconds": length}, time, time))
    return {
        "clip": clip.name,
        "start": start,
        "end": None if seconds is None else start + seconds,
        "speed": draw(st.sampled_from(SPEEDS)),
        "fit": draw(st.sampled_from(["fit", "stretch"])),
        "gain": draw(st.sampled_from([0, -6])),
        "title": draw(st.none() | st.sampled_from(["A", "B"])),
        "titles": draw(st.just([]) | titles)[:2],
        "transition": draw(st.none() | _transitions()),
    }


@st.composite
def _transitions(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "kind": draw(st.sampled_from(get_args(Kind))),
        "seconds": draw(st.fractions(Fraction(1, 100), Fraction(1, 4), max_denominator=100)),
        "direction": draw(st.sampled_from(get_args(Direction))),
    }


def _fitting(spec: EpisodeSpec) -> EpisodeSpec:
    cut = Scene.model_validate({"clip": "x", "transition": {"kind": "cut"}}).transition
    scenes = list(spec.scenes)

    def short(made: Sequence[Part]) -> int | None:
        """The first cut that one of its two scenes is too short for."""
        for index, (one, other) in enumerate(pairwise(made)):
            if one.after and (one.before + one.after > one.frames or one.after > other.frames):
                return index
        return None

    while (index := short(parts(spec))) is not None:
        scenes[index] = scenes[index].model_copy(update={"transition": cut})
        spec = spec.model_copy(update={"scenes": tuple(scenes)})
    return spec
