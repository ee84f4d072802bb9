"""The plan of an episode: its scenes with their clips, in its form, laid out in time."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from pydantic import ValidationError

from sakuga.episode.footage import Footage
from sakuga.episode.form import Form, choose_form
from sakuga.episode.moods import soundtrack_problems
from sakuga.episode.spec import EpisodeSpec, Scene
from sakuga.episode.subtitles import SubtitleTrack, clip_subtitles, merge_subtitles
from sakuga.episode.timeline import Timeline, lay_out, scene_frames
from sakuga.episode.titles import text_problems
from sakuga.errors import LimitError, OptionError, UnreadableMediaError
from sakuga.media.info import Frozen, MediaInfo
from sakuga.settings import Limits

PLACEHOLDER_SECONDS = Fraction(3)
"""How long a placeholder is in the episode where its scene has no end."""


class Found(Frozen):
    """A clip that can be used: a file of this machine, its SHA-256 in hexadecimal, and what it holds."""

    path: Path
    digest: str
    info: MediaInfo


class EpisodePlan(Frozen):
    """Everything that an episode is made of; `notes` are sentences on scenes that are not as asked."""

    spec: EpisodeSpec
    footages: tuple[Footage, ...]
    form: Form
    timeline: Timeline
    subtitles: tuple[SubtitleTrack, ...] = ()
    notes: tuple[str, ...] = ()


def plan_episode(spec: EpisodeSpec, clips: Sequence[Found | str], limits: Limits) -> EpisodePlan:
    """Put an episode together from its specification and its clips.

    Args:
        spec: the episode; its files of music, fonts and subtitles have absolute paths.
        clips: of the scenes, in order; a sentence on what is wrong in place of one that cannot be used.
        limits: of this machine.

    Raises:
        UnreadableMediaError: clips cannot be used; all of them are named.
        OptionError: it cannot be laid out, or a font, music, an effect or subtitles cannot be used.
        LimitError: it would be too long.
    """
    spec, clips, notes = _without_missing(spec, clips)
    infos = [clip.info for clip in clips if isinstance(clip, Found)]
    form = choose_form(spec, infos)
    check_files(spec, limits)
    durations = [
        clip.info.video.duration if isinstance(clip, Found) else _wanted(scene)
        for scene, clip in zip(spec.scenes, clips, strict=True)
    ]
    timeline = lay_out(spec, durations, form.rate)
    if timeline.frames > limits.max_frames:
        raise LimitError(
            f"The episode would have {timeline.frames} frames; at most {limits.max_frames} are allowed "
            "(`limits.max_frames`)."
        )
    footages = tuple(
        _footage(scene, clip, infos[0], scene_frames(scene, duration, form.rate))
        for scene, clip, duration in zip(spec.scenes, clips, durations, strict=True)
    )
    return EpisodePlan(
        spec=spec,
        footages=footages,
        form=form,
        timeline=timeline,
        subtitles=merge_subtitles([_read(each, limits) for each in footages], spec.scenes, timeline),
        notes=notes,
    )


def check_files(spec: EpisodeSpec, limits: Limits) -> None:
    """Refuse fonts, music and effects that cannot be used.

    Raises:
        OptionError: some are missing, are none, or lack letters; all of them are named.
    """
    wrong = [*text_problems(spec).values(), *soundtrack_problems(spec.soundtrack, limits).values()]
    if wrong:
        raise OptionError(" ".join(dict.fromkeys(wrong)))


def _read(footage: Footage, limits: Limits) -> tuple[SubtitleTrack, ...]:
    file = footage.scene.subtitles
    if footage.placeholder and file is None:
        return ()
    return clip_subtitles(footage.path, footage.info, Path(file) if file else None, limits)


def _without_missing(
    spec: EpisodeSpec, clips: Sequence[Found | str]
) -> tuple[EpisodeSpec, Sequence[Found | str], tuple[str, ...]]:
    """The episode with what it asks for done about clips that cannot be used."""
    missing = {spec.names[index]: clip for index, clip in enumerate(clips) if isinstance(clip, str)}
    if not missing:
        return spec, clips, ()
    if spec.on_missing == "fail" or len(missing) == len(clips):
        told = " ".join(
            f"The clip of the scene {name!r} cannot be used: {why}" for name, why in missing.items()
        )
        raise UnreadableMediaError(told)
    # the report names no folder of this machine
    missing = {
        name: why.replace(scene.clip, Path(scene.clip).name) if Path(scene.clip).is_absolute() else why
        for name, scene in zip(spec.names, spec.scenes, strict=True)
        if (why := missing.get(name))
    }
    if spec.on_missing == "placeholder":
        notes = tuple(f"The scene {name!r} is a placeholder: {why}" for name, why in missing.items())
        return spec, clips, notes
    kept = [index for index, clip in enumerate(clips) if isinstance(clip, Found)]
    notes = tuple(f"The scene {name!r} was skipped: {why}" for name, why in missing.items())
    # names come from places in the list, which change
    scenes = tuple(spec.scenes[index].model_copy(update={"id": spec.names[index]}) for index in kept)
    try:
        left = EpisodeSpec.model_validate(spec.model_copy(update={"scenes": scenes}).model_dump())
    except ValidationError as error:
        why = "; ".join(str(one["msg"]) for one in error.errors())
        raise OptionError(f"The episode needs a scene that cannot be used: {why}.") from error
    return left, [clips[index] for index in kept], notes


def _wanted(scene: Scene) -> Fraction:
    """Seconds of a clip that is not there, as far as its scene tells."""
    return scene.end if scene.end is not None else scene.start + PLACEHOLDER_SECONDS * scene.speed


def _footage(scene: Scene, clip: Found | str, other: MediaInfo, frames: int) -> Footage:
    if isinstance(clip, Found):
        return Footage(path=clip.path, digest=clip.digest, info=clip.info, scene=scene, frames=frames)
    # what it would hold is not known, and not asked for
    return Footage(path=Path(scene.clip), digest="", info=other, scene=scene, frames=frames, placeholder=True)
