"""A segment of an episode as an encoded file of its own."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from sakuga.enhance.ahead import RunAhead
from sakuga.episode.footage import Cancelled, Footage, pictures
from sakuga.episode.form import Form, segment_writer
from sakuga.episode.layers import CreditPictures, TitleLayers, shown_titles
from sakuga.episode.overlay import overlay
from sakuga.episode.spec import EpisodeSpec
from sakuga.episode.timeline import Segment, Span
from sakuga.episode.transitions import between, moment
from sakuga.errors import CancelledError, ContractError
from sakuga.media.info import Frozen
from sakuga.media.picture import Picture
from sakuga.settings import Settings

QUEUED = 3
"""Pictures of a scene that wait for the encoder."""


class Rendered(Frozen):
    """What was written: frames, and the size of the file in bytes."""

    frames: int
    bytes: int


def render(
    segment: Segment,
    footages: Sequence[Footage],
    spec: EpisodeSpec,
    form: Form,
    output: Path,
    settings: Settings,
    cancelled: Cancelled = None,
    progress: Callable[[int], None] | None = None,
) -> Rendered:
    """Make a segment and leave it, verified, at `output`; or leave nothing.

    Args:
        segment: what to make.
        footages: the clips of its spans, in their order; none for credits.
        spec: the episode.
        form: its form.
        output: file to write; its folder exists.
        settings: of this machine.
        cancelled: asked at every frame; True stops the work.
        progress: called after every frame with the number that are done.

    Raises:
        CancelledError: `cancelled` said so.
        OptionError: a font is missing.
        DamagedMediaError: a frame of a clip does not decode.
        EncodeError: the encoder failed.
        DiskFullError: no room is left.
        ContractError: the clips are not those of the segment, or frames were lost.
    """
    if len(footages) != len(segment.spans):
        raise ContractError(f"A segment of {len(segment.spans)} scenes was given {len(footages)} clips.")
    if any(span.last - span.first != segment.frames for span in segment.spans):
        raise ContractError(f"The scenes of a segment of {segment.frames} frames have other lengths.")
    writer = segment_writer(output, form)
    with writer, ExitStack() as stack:
        scenes = [
            stack.enter_context(RunAhead(_scene(footage, span, form, settings, cancelled), QUEUED))
            for footage, span in zip(footages, segment.spans, strict=True)
        ]
        for done, picture in enumerate(_drawn(segment, scenes, spec, form)):
            if cancelled is not None and cancelled():
                raise CancelledError(f"The segment {output.name} was cancelled.")
            writer.write(picture, done)
            if progress:
                progress(done + 1)
        if writer.frames != segment.frames:
            raise ContractError(
                f"{output.name} has {segment.frames} frames, but {writer.frames} were written."
            )
    return Rendered(frames=segment.frames, bytes=output.stat().st_size)


def _scene(
    footage: Footage, span: Span, form: Form, settings: Settings, cancelled: Cancelled
) -> Generator[Picture, None, None]:
    """A scene's own pictures with the titles that are over them."""
    shown = shown_titles(footage.scene, footage.frames, form.rate)
    seen = [one for one in shown if one.first < span.last and span.first < one.last]
    titles = TitleLayers(seen, form)
    frames = pictures(footage, form, span.first, span.last, settings, cancelled)
    for number, picture in enumerate(frames, span.first):
        yield overlay(picture, titles.at(number), form)


def _drawn(
    segment: Segment, scenes: Sequence[Iterator[Picture]], spec: EpisodeSpec, form: Form
) -> Iterator[Picture]:
    if segment.kind == "credits":
        if spec.credits is None:
            raise ContractError("A segment of credits was asked of an episode without them.")
        credits = CreditPictures(spec.credits, segment.frames, form)
        return (credits.picture(frame) for frame in range(segment.frames))
    if segment.kind != "transition":
        return scenes[0]
    transition = spec.transition_after(segment.spans[0].scene)
    return (
        between(
            transition.kind,
            one,
            other,
            moment(frame, segment.frames),
            transition.direction,
            form,
        )
        for frame, (one, other) in enumerate(zip(*scenes, strict=True))
    )
