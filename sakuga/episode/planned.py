"""The pictures that segments should show, any of them by their numbers."""

from collections.abc import Generator, Iterator, Sequence
from types import TracebackType
from typing import Self

from sakuga.episode.footage import Cancelled, Footage, pictures
from sakuga.episode.form import Form
from sakuga.episode.layers import CreditPictures, TitleLayers, shown_titles
from sakuga.episode.overlay import overlay
from sakuga.episode.spec import EpisodeSpec
from sakuga.episode.timeline import Segment, Span
from sakuga.episode.transitions import between, moment
from sakuga.errors import ContractError
from sakuga.media.picture import Picture
from sakuga.settings import Settings

KEPT = 4
"""Pictures of a scene that are kept: a frame, its neighbours, and one more."""

READ_ON = 12
"""Frames that are read on for the next one; beyond that a seek is quicker, since each would be conformed."""

OPEN = 2
"""Scenes that are kept open: two meet in a transition."""


class Plans:
    """Planned pictures of all segments of an episode, asked for in their order; a context manager."""

    def __init__(
        self,
        footages: Sequence[Footage],
        spec: EpisodeSpec,
        form: Form,
        settings: Settings,
        cancelled: Cancelled = None,
    ) -> None:
        """Nothing is decoded yet.

        Args:
            footages: the clips of all scenes, in order.
            spec: the episode.
            form: its form.
            settings: of this machine.
            cancelled: asked for every picture; True stops.
        """
        self.footages, self.spec, self.form = footages, spec, form
        self._settings, self._cancelled = settings, cancelled
        self._open: dict[int, _Scene] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for scene in self._open.values():
            scene.close()

    def of(self, segment: Segment) -> "Planned":
        """The planned pictures of a segment."""
        return Planned(segment, self)

    def frame(self, scene: int, number: int) -> Picture:
        """A frame of a scene, without titles."""
        if scene not in self._open:
            while len(self._open) >= OPEN:
                self._open.pop(min(self._open)).close()
            self._open[scene] = _Scene(scene, self)
        return self._open[scene].frame(number)

    def frames(self, scene: int, first: int, last: int | None = None) -> Generator[Picture, None, None]:
        """Frames of a scene from one on, without titles."""
        footage = self.footages[scene]
        end = footage.frames if last is None else last
        yield from pictures(footage, self.form, first, end, self._settings, self._cancelled)


class _Scene:
    """Frames of a scene one at a time, without decoding again what was just decoded."""

    def __init__(self, scene: int, plans: Plans) -> None:
        self._scene, self._plans = scene, plans
        self._kept: dict[int, Picture] = {}
        self._frames: Generator[Picture, None, None] | None = None
        self._next = 0

    def frame(self, number: int) -> Picture:
        if number in self._kept:
            return self._kept[number]
        if self._frames is None or not self._next <= number <= self._next + READ_ON:
            self.close()
            self._next = number
            self._frames = self._plans.frames(self._scene, number)
        while self._next <= number:
            self._kept[self._next] = next(self._frames)
            self._next += 1
        while len(self._kept) > KEPT:
            del self._kept[min(self._kept)]
        return self._kept[number]

    def close(self) -> None:
        """Let go of the clip."""
        self._kept.clear()
        if self._frames is not None:
            self._frames.close()
            self._frames = None


class Planned:
    """Pictures of a segment before they were encoded, made from the clips.

    Attributes:
        low: number of the first picture that can be had, counted from the segment's first. A segment of one
            scene is preceded and followed by what else the scene has, so that `low` can be negative.
        high: number after the last.
    """

    def __init__(self, segment: Segment, plans: Plans) -> None:
        self._segment, self._plans = segment, plans
        self._titles = [_Titles(span, plans) for span in segment.spans]
        self.low, self.high = 0, segment.frames
        if len(segment.spans) == 1:
            span = segment.spans[0]
            self.low, self.high = -span.first, plans.footages[span.scene].frames - span.first

    def picture(self, number: int) -> Picture:
        """One picture, within `low` and `high`.

        Raises:
            DamagedMediaError: the frame of the clip does not decode.
            InputError: a clip is not the one that was probed.
        """
        shown = [self._plans.frame(span.scene, span.first + number) for span in self._segment.spans]
        return self._drawn(number, shown)

    def read(self, first: int, last: int) -> Iterator[Picture]:
        """Pictures [first, last) in one go.

        Raises:
            DamagedMediaError: a frame of a clip does not decode.
            InputError: a clip is not the one that was probed.
        """
        reels = [
            self._plans.frames(span.scene, span.first + first, span.first + last)
            for span in self._segment.spans
        ]
        for number in range(first, last):
            yield self._drawn(number, [next(reel) for reel in reels])

    def _drawn(self, number: int, shown: Sequence[Picture]) -> Picture:
        segment, form, spec = self._segment, self._plans.form, self._plans.spec
        if segment.kind == "credits":
            if spec.credits is None:
                raise ContractError("The episode has a segment of credits, and its file has none.")
            return CreditPictures(spec.credits, segment.frames, form).picture(number)
        titled = [titles.over(picture, number) for titles, picture in zip(self._titles, shown, strict=True)]
        if segment.kind != "transition":
            return titled[0]
        transition = spec.transition_after(segment.spans[0].scene)
        at = moment(number, segment.frames)
        return between(transition.kind, titled[0], titled[1], at, transition.direction, form)


class _Titles:
    """The titles of a scene over its pictures; drawn when one is seen."""

    def __init__(self, span: Span, plans: Plans) -> None:
        self._first, self._form = span.first, plans.form
        footage = plans.footages[span.scene]
        self._shown = shown_titles(footage.scene, footage.frames, plans.form.rate)
        self._layers: TitleLayers | None = None

    def over(self, picture: Picture, number: int) -> Picture:
        """The picture of this number of the segment with the titles over it."""
        frame = self._first + number
        if not any(one.first <= frame < one.last for one in self._shown):
            return picture
        self._layers = self._layers or TitleLayers(self._shown, self._form)
        return overlay(picture, self._layers.at(frame), self._form)
