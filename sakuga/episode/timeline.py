"""When everything of an episode is shown: a pure function of its specification and its clips' lengths.

All positions are output frames: frame k is shown k / rate seconds after the episode's beginning.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from sakuga.episode.spec import EpisodeSpec, Kind, Scene
from sakuga.errors import OptionError
from sakuga.media.info import Chapter, Frozen, Rational

SegmentKind = Literal["plain", "titled", "transition", "credits"]


class Span(Frozen):
    """Frames [first, last) of a scene, counted from its own beginning."""

    scene: int
    first: int
    last: int


class Segment(Frozen):
    """Frames [first, last) of the episode that are made as one.

    `plain` frames are a scene's own, `titled` ones have text over them, a `transition` has the spans of both
    scenes, of equal length; `credits` have none.
    """

    kind: SegmentKind
    first: int
    last: int
    spans: tuple[Span, ...] = ()

    @property
    def frames(self) -> int:
        """How many."""
        return self.last - self.first


class Placed(Frozen):
    """A scene in the episode: its frames are [first, first + frames), `before` and `after` of them shared."""

    name: str
    first: int
    frames: int
    before: int = 0
    """Frames that the transition from the previous scene takes of it."""

    after: int = 0
    """Frames that the transition to the next scene takes of it."""


class Timeline(Frozen):
    """Everything of an episode in time."""

    rate: Rational
    frames: int
    scenes: tuple[Placed, ...]
    segments: tuple[Segment, ...]
    chapters: tuple[Chapter, ...] = ()

    @property
    def duration(self) -> Fraction:
        """Seconds."""
        return self.frames / self.rate

    def time(self, frame: int) -> Fraction:
        """When a frame is shown, in seconds."""
        return frame / self.rate

    def scene(self, name: str) -> Placed:
        """A scene by its name.

        Raises:
            OptionError: there is no such scene.
        """
        for placed in self.scenes:
            if placed.name == name:
                return placed
        raise OptionError(f"The episode has no scene {name!r}.")


def nearest_frame(seconds: Fraction, rate: Fraction) -> int:
    """The frame that is shown nearest to a time, the later of two."""
    return int((2 * seconds * rate + 1) // 2)


def scene_frames(scene: Scene, duration: Fraction, rate: Fraction) -> int:
    """Output frames of a scene, 1 at least: its part of the clip at its speed, to the nearest frame.

    Args:
        scene: what is wanted of the clip.
        duration: of the clip's picture, in seconds.
        rate: output frames per second.
    """
    end = duration if scene.end is None else min(scene.end, duration)
    return max(1, nearest_frame((end - scene.start) / scene.speed, rate))


def overlap(spec: EpisodeSpec, scene: int, rate: Fraction) -> int:
    """Frames that a scene and the next one share: none for a cut, else one at least."""
    transition = spec.transition_after(scene)
    return 0 if transition.kind == "cut" else max(1, nearest_frame(transition.seconds, rate))


def lay_out(spec: EpisodeSpec, durations: Sequence[Fraction], rate: Fraction) -> Timeline:
    """Place all scenes, and cut the episode into what is made as one.

    Args:
        spec: the episode.
        durations: seconds of picture that each scene's clip has, in order.
        rate: output frames per second.

    Returns:
        A timeline whose segments follow each other without a gap, from frame 0 to its last one.

    Raises:
        OptionError: a scene begins after its clip's end, or its transitions are longer than it is.
    """
    problems = timing_problems(spec, durations, rate)
    if problems:
        raise OptionError(" ".join(problems.values()))
    scenes = _place(spec, durations, rate)
    segments = _cut(spec, scenes, rate)
    last = segments[-1].last
    if spec.credits:
        frames = max(1, nearest_frame(spec.credits.seconds, rate))
        segments.append(Segment(kind="credits", first=last, last=last + frames))
    chapters = _chapters(spec, scenes, segments[-1].last, rate) if spec.output.chapters else ()
    return Timeline(
        rate=rate, frames=segments[-1].last, scenes=scenes, segments=tuple(segments), chapters=chapters
    )


def timing_problems(spec: EpisodeSpec, durations: Sequence[Fraction], rate: Fraction) -> dict[int, str]:
    """What cannot be done in time, as one sentence for each scene, counted from 0, that has a problem."""
    problems: dict[int, str] = {}
    before = 0
    for index, (name, scene, duration) in enumerate(zip(spec.names, spec.scenes, durations, strict=True)):
        after = overlap(spec, index, rate) if index + 1 < len(spec.scenes) else 0
        if scene.start >= duration:
            problems[index] = (
                f"The scene {name!r} begins at {float(scene.start):g} s of its clip, "
                f"which ends at {float(duration):g} s."
            )
        elif (frames := scene_frames(scene, duration, rate)) < before + after:
            problems[index] = (
                f"The scene {name!r} has {frames} frames, and its transitions take {before} and {after} "
                "of them; make them shorter."
            )
        before = after
    return problems


def _place(spec: EpisodeSpec, durations: Sequence[Fraction], rate: Fraction) -> tuple[Placed, ...]:
    placed: list[Placed] = []
    first = before = 0
    for index, (name, scene, duration) in enumerate(zip(spec.names, spec.scenes, durations, strict=True)):
        frames = scene_frames(scene, duration, rate)
        after = overlap(spec, index, rate) if index + 1 < len(spec.scenes) else 0
        placed.append(Placed(name=name, first=first, frames=frames, before=before, after=after))
        first, before = first + frames - after, after
    return tuple(placed)


def _cut(spec: EpisodeSpec, scenes: Sequence[Placed], rate: Fraction) -> list[Segment]:
    segments: list[Segment] = []
    for index, placed in enumerate(scenes):
        segments += _body(spec.scenes[index], index, placed, rate)
        if placed.after:
            first = placed.first + placed.frames - placed.after
            spans = (
                Span(scene=index, first=placed.frames - placed.after, last=placed.frames),
                Span(scene=index + 1, first=0, last=placed.after),
            )
            segments.append(Segment(kind="transition", first=first, last=first + placed.after, spans=spans))
    return segments


def _body(scene: Scene, index: int, placed: Placed, rate: Fraction) -> list[Segment]:
    """Segments of what a scene has for itself, cut where titles come and go."""
    first, last = placed.before, placed.frames - placed.after
    edges = {first, last}
    shown = title_spans(scene, placed.frames, rate)
    for begin, end in shown:
        edges |= {min(max(edge, first), last) for edge in (begin, end)}
    cuts = sorted(edges)
    return [
        Segment(
            kind="titled" if any(begin < b and a < end for begin, end in shown) else "plain",
            first=placed.first + a,
            last=placed.first + b,
            spans=(Span(scene=index, first=a, last=b),),
        )
        for a, b in pairwise(cuts)
    ]


def title_spans(scene: Scene, frames: int, rate: Fraction) -> list[tuple[int, int]]:
    """Frames [first, last) of a scene of so many frames that each of its titles is shown in, maybe none."""
    spans = []
    for title in scene.titles:
        begin = min(nearest_frame(title.at, rate), frames)
        spans.append((begin, min(max(begin + 1, nearest_frame(title.at + title.seconds, rate)), frames)))
    return spans


def _chapters(
    spec: EpisodeSpec, scenes: Sequence[Placed], frames: int, rate: Fraction
) -> tuple[Chapter, ...]:
    """One for each scene with a title, from its first frame to the next one's; the first begins at 0."""
    starts = [
        (placed.first, scene.title) for scene, placed in zip(spec.scenes, scenes, strict=True) if scene.title
    ]
    if not starts:
        return ()
    if starts[0][0] > 0:
        starts.insert(0, (0, spec.title))
    ends = [first for first, _ in starts[1:]] + [frames]
    return tuple(
        Chapter(start=first / rate, end=end / rate, title=title)
        for (first, title), end in zip(starts, ends, strict=True)
    )


def kind_of(spec: EpisodeSpec, segment: Segment) -> Kind:
    """How a transition segment is drawn; `cut` for others."""
    return spec.transition_after(segment.spans[0].scene).kind if segment.kind == "transition" else "cut"
