"""A plan that goes to another machine: which files its segments need, and the same plan with others."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from sakuga.episode.footage import Footage
from sakuga.episode.places import renamed
from sakuga.episode.plan import EpisodePlan
from sakuga.errors import OptionError


def needed_footages(plan: EpisodePlan, segments: Iterable[int]) -> list[Footage]:
    """The clips that some segments are made of, each content once; placeholders need none.

    Args:
        plan: of the episode.
        segments: their numbers, from 0.

    Raises:
        OptionError: the episode has no such segment.
    """
    found: dict[str, Footage] = {}
    for footage in _shown(plan, segments):
        if not footage.placeholder:
            found.setdefault(footage.digest, footage)
    return list(found.values())


def needed_fonts(plan: EpisodePlan, segments: Iterable[int]) -> list[str]:
    """The fonts of the titles and credits that some segments may show, each name once.

    Args:
        plan: of the episode.
        segments: their numbers, from 0.

    Raises:
        OptionError: the episode has no such segment.
    """
    numbers = list(segments)
    titles = (title.font for footage in _shown(plan, numbers) for title in footage.scene.titles)
    found = dict.fromkeys(font for font in titles if font)
    credits, all_ = plan.spec.credits, plan.timeline.segments
    if credits and credits.font and any(all_[number].kind == "credits" for number in numbers):
        found[credits.font] = None
    return list(found)


def carried(plan: EpisodePlan, clip: Callable[[Footage], Path], name: Callable[[str], str]) -> EpisodePlan:
    """The plan with other files of the same content.

    Args:
        plan: of the episode.
        clip: gives the file of a clip.
        name: gives the name of a font, and of every other file beside the clips.
    """
    spec = renamed(plan.spec, name, clips=False)
    footages = tuple(
        footage.model_copy(update={"path": clip(footage), "scene": scene})
        for footage, scene in zip(plan.footages, spec.scenes, strict=True)
    )
    return plan.model_copy(update={"spec": spec, "footages": footages})


def _shown(plan: EpisodePlan, segments: Iterable[int]) -> Iterator[Footage]:
    all_ = plan.timeline.segments
    for number in segments:
        if not 0 <= number < len(all_):
            raise OptionError(f"The episode has {len(all_)} segments, and none with number {number}.")
        for span in all_[number].spans:
            yield plan.footages[span.scene]
