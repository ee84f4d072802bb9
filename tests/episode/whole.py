"""Whole episodes made by the engine alone: the functions that the flow's steps call, in their order."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sakuga.episode.assembly import assemble_episode
from sakuga.episode.audit import Audit, audit_episode, look_at_segment
from sakuga.episode.copying import copy_span
from sakuga.episode.mix import Mixed, mix
from sakuga.episode.plan import EpisodePlan, Found, plan_episode
from sakuga.episode.render import render
from sakuga.episode.sound import scene_sound
from sakuga.episode.spec import EpisodeSpec
from sakuga.episode.timeline import Segment
from sakuga.media.probe import probe
from sakuga.settings import Settings

SETTINGS = Settings()


@dataclass(frozen=True)
class Whole:
    """An episode, and what was seen and counted on the way."""

    result: Path
    plan: EpisodePlan
    mixed: Mixed
    audit: Audit
    copied: int
    """Frames that are packets of a clip."""

    @property
    def faults(self) -> list[str]:
        """Checks that did not pass, as sentences."""
        return [f"{one.name}: {one.value}; {one.detail}" for one in self.audit.checks if not one.passed]


def found_clips(paths: Mapping[str, Path]) -> dict[str, Found]:
    """Clips by the names that scenes have for them."""
    return {
        name: Found(path=path, digest=name, info=probe(path, SETTINGS.limits).info)
        for name, path in paths.items()
    }


def make_whole(spec: EpisodeSpec, clips: Mapping[str, Found], folder: Path) -> Whole:
    """Plan, make all segments and sounds, mix, join and check an episode in an empty folder."""
    plan = plan_episode(spec, [clips[scene.clip] for scene in spec.scenes], SETTINGS.limits)
    paths, looks, copied = [], {}, 0
    for number, segment in enumerate(plan.timeline.segments):
        path = folder / f"segment-{number}.mp4"
        copied += _make(plan, segment, path)
        paths.append(path)
        looks[number] = look_at_segment(path, segment, plan.spec, plan.form, plan.footages, SETTINGS)
    layout = plan.spec.output.layout
    sounds = [
        scene_sound(footage, plan.form, layout, folder / f"sound-{number}.wav", SETTINGS)
        for number, footage in enumerate(plan.footages)
    ]
    mixed = mix(plan.spec, plan.timeline, sounds, folder / "mix", folder, SETTINGS)
    result = folder / f"episode.{plan.spec.output.container}"
    assemble_episode(
        paths,
        plan.timeline,
        plan.form,
        sound=mixed.path,
        subtitles=plan.subtitles,
        cover=None,
        metadata={"title": plan.spec.title},
        output=result,
        scratch=folder,
        settings=SETTINGS,
        decode=copied > 0,
    )
    audit = audit_episode(
        result, plan.spec, plan.timeline, plan.form, plan.footages, mixed, SETTINGS, looks=looks
    )
    return Whole(result, plan, mixed, audit, copied)


def _make(plan: EpisodePlan, segment: Segment, path: Path) -> int:
    footages = [plan.footages[span.scene] for span in segment.spans]
    if segment.kind == "plain" and (
        made := copy_span(footages[0], segment.spans[0], plan.form, path, SETTINGS)
    ):
        return made.copied
    render(segment, footages, plan.spec, plan.form, path, SETTINGS)
    return 0
