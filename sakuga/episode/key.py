"""Keys of an episode's parts: equal keys mean the same pictures, or the same samples of sound."""

import hashlib
import json
from collections.abc import Sequence
from fractions import Fraction

import PIL
from PIL import features

from sakuga import ENGINE_VERSION
from sakuga.episode.conform import placement
from sakuga.episode.footage import Footage
from sakuga.episode.form import Form
from sakuga.episode.layers import placeholder_text, shown_titles
from sakuga.episode.spec import EpisodeSpec, Layout, TextStyle
from sakuga.episode.timeline import Segment, Span
from sakuga.episode.titles import font_bytes
from sakuga.errors import ContractError

PICTURE_VERSION = 1
"""Raised when the same segment would give other pixels than before."""
SOUND_VERSION = 1
"""Raised when the same scene would give other samples than before."""

_DIRECTED = ("wipe", "slide")


def segment_key(segment: Segment, footages: Sequence[Footage], spec: EpisodeSpec, form: Form) -> str:
    """Digest, in hexadecimal, of everything that a segment's file depends on.

    Its place in the episode, names, notes, chapters and sound are no part of it, nor is what of a scene lies
    outside of its spans.

    Args:
        segment: the segment.
        footages: the clips of its spans, in their order.
        spec: the episode.
        form: its form.

    Raises:
        OptionError: the file of a font is missing.
        ContractError: the clips are not those of the segment.
    """
    if len(footages) != len(segment.spans):
        raise ContractError(f"A segment of {len(segment.spans)} scenes was given {len(footages)} clips.")
    parts: dict[str, object] = {
        "version": [ENGINE_VERSION, PICTURE_VERSION],
        "form": _form_part(form),
        "frames": segment.frames,
        "scenes": [
            _scene_part(footage, span, form) for footage, span in zip(footages, segment.spans, strict=True)
        ],
    }
    if segment.kind == "transition":
        transition = spec.transition_after(segment.spans[0].scene)
        parts["transition"] = [
            transition.kind,
            transition.direction if transition.kind in _DIRECTED else None,
        ]
    if segment.kind == "credits" and spec.credits is not None:
        credits = spec.credits
        parts["credits"] = [credits.lines, credits.roll, _style_part(credits), _letters_part()]
    return _digest(parts)


def sound_key(footage: Footage, form: Form, layout: Layout) -> str:
    """Digest, in hexadecimal, of everything that the samples of a scene's sound depend on.

    A scene that is muted, or whose clip has no sound, depends on its length and channels alone.

    Args:
        footage: the scene's clip.
        form: the episode's form, for its rate.
        layout: channels of the episode's sound.
    """
    scene = footage.scene
    parts: dict[str, object] = {
        "version": [ENGINE_VERSION, SOUND_VERSION],
        "seconds": str(footage.frames / form.rate),
        "layout": layout,
        "clip": None,
    }
    if not (footage.placeholder or scene.mute or not footage.info.audio):
        end = None if scene.end is None or scene.end >= _length(footage) else str(scene.end)
        parts["clip"] = [footage.digest, str(scene.start), end, str(scene.speed), scene.gain]
    return _digest(parts)


def _digest(parts: dict[str, object]) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _form_part(form: Form) -> dict[str, object]:
    """What of the form is in a segment's file; the container is only that of the episode."""
    part = form.model_dump(mode="json", exclude={"settings": {"container"}, "colour": {"tagged"}})
    if form.settings.codec == "prores":
        # its quality is its profile's
        del part["settings"]["quality"], part["settings"]["preset"]
    return part


def _length(footage: Footage) -> Fraction:
    """Seconds of picture that the clip has."""
    return footage.info.video.duration


def _scene_part(footage: Footage, span: Span, form: Form) -> dict[str, object]:
    scene, video = footage.scene, footage.info.video
    titles = [
        [one.title.text, _style_part(one.title), one.first - span.first, one.last - span.first, one.fade]
        for one in shown_titles(scene, footage.frames, form.rate)
        if one.first < span.last and span.first < one.last
    ]
    part: dict[str, object] = {"titles": titles}
    if titles:
        part["letters"] = _letters_part()
    if footage.placeholder:
        return {**part, "placeholder": [placeholder_text(scene), _letters_part()]}
    step = scene.speed / form.rate
    first, last = (scene.start + frame * step for frame in (span.first, span.last - 1))
    # a frame that is due within half a step may be shown already, unless it is no longer the scene's
    end = scene.end if scene.end is not None and last + step / 2 > scene.end else None
    return {
        **part,
        "clip": [footage.digest, video.index],
        "times": [str(first), str(step), str(end) if end is not None and end < _length(footage) else None],
        "place": placement(video, scene.fit, form.size).model_dump(mode="json"),
    }


def _letters_part() -> list[object]:
    """What draws letters here; without Raqm their distances differ."""
    return [PIL.__version__, features.check("raqm")]


def _style_part(style: TextStyle) -> list[object]:
    font = None if style.font is None else hashlib.sha256(font_bytes(style.font)).hexdigest()
    return [font, style.size, style.colour, style.outline, style.place]
