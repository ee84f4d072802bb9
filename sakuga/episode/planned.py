"""The pictures that a segment should show, any of them by their numbers."""

from collections.abc import Iterator, Sequence

from sakuga.episode.footage import Footage, pictures
from sakuga.episode.form import Form
from sakuga.episode.layers import CreditPictures, TitleLayers, shown_titles
from sakuga.episode.overlay import overlay
from sakuga.episode.spec import EpisodeSpec
from sakuga.episode.timeline import Segment
from sakuga.episode.transitions import between, moment
from sakuga.errors import ContractError
from sakuga.media.picture import Picture
from sakuga.settings import Settings


class Planned:
    """Pictures of a segment before they were encoded, made from the clips.

    Attributes:
        low: number of the first picture that can be had, counted from the segment's first. A segment of one
            scene is followed and preceded by what else the scene has, so that `low` can be negative.
        high: number after the last.
    """

    def __init__(
        self,
        segment: Segment,
        footages: Sequence[Footage],
        spec: EpisodeSpec,
        form: Form,
        settings: Settings,
    ) -> None:
        """Nothing is decoded yet.

        Args:
            segment: the segment.
            footages: the clips of all scenes, in order.
            spec: the episode.
            form: its form.
            settings: of this machine.
        """
        self._segment, self._footages = segment, [footages[span.scene] for span in segment.spans]
        self._spec, self._form, self._settings = spec, form, settings
        alone = len(segment.spans) == 1
        self.low = -segment.spans[0].first if alone else 0
        self.high = self._footages[0].frames - segment.spans[0].first if alone else segment.frames

    def read(self, first: int, last: int) -> Iterator[Picture]:
        """Pictures [first, last), within `low` and `high`.

        Raises:
            DamagedMediaError: a frame of a clip does not decode.
            InputError: a clip is not the one that was probed.
        """
        segment = self._segment
        if segment.kind == "credits":
            return self._credits(first, last)
        if segment.kind != "transition":
            return self._scene(0, first, last)
        return self._transition(first, last)

    def _scene(self, number: int, first: int, last: int) -> Iterator[Picture]:
        """A scene's own pictures with the titles over them."""
        span, footage = self._segment.spans[number], self._footages[number]
        first, last = first + span.first, last + span.first
        shown = shown_titles(footage.scene, footage.frames, self._form.rate)
        titles = TitleLayers([one for one in shown if one.first < last and first < one.last], self._form)
        frames = pictures(footage, self._form, first, last, self._settings)
        for frame, picture in enumerate(frames, first):
            yield overlay(picture, titles.at(frame), self._form)

    def _transition(self, first: int, last: int) -> Iterator[Picture]:
        transition = self._spec.transition_after(self._segment.spans[0].scene)
        pairs = zip(self._scene(0, first, last), self._scene(1, first, last), strict=True)
        for frame, (one, other) in enumerate(pairs, first):
            at = moment(frame, self._segment.frames)
            yield between(transition.kind, one, other, at, transition.direction, self._form)

    def _credits(self, first: int, last: int) -> Iterator[Picture]:
        if self._spec.credits is None:
            raise ContractError("The episode has a segment of credits, and its file has none.")
        drawn = CreditPictures(self._spec.credits, self._segment.frames, self._form)
        return (drawn.picture(frame) for frame in range(first, last))
