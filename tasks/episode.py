"""The steps of an episode: planned, its segments and sounds made and kept, mixed, joined and checked."""

import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from prefect.logging import get_run_logger
from prefect.runtime import task_run

from sakuga.episode.audit import look_at_segment
from sakuga.episode.copying import copy_span
from sakuga.episode.key import segment_key, sound_key
from sakuga.episode.mix import Mixed, mix
from sakuga.episode.plan import EpisodePlan, Found, plan_episode
from sakuga.episode.render import render
from sakuga.episode.seams import SegmentLook
from sakuga.episode.sound import SceneSound, scene_sound
from sakuga.episode.spec import EpisodeSpec
from sakuga.errors import FarmError
from sakuga.media.info import Frozen
from sakuga.media.ref import MediaRef
from sakuga.models.base import AUTO
from sakuga.quality.words import plain
from sakuga.settings import load_settings
from tasks.cache import Kept, Made, PartCache
from tasks.channel import current_channel
from tasks.chunk import worker_name
from tasks.clips import Clip, Unusable
from tasks.job import open_store
from tasks.progress import Progress
from tasks.retry import patiently, step
from tasks.scratch import note_keys, noted_keys

PLAN = "episode.json"
NOT_YET = MediaRef(uri="part", sha256="0" * 64, size=0)
"""Where a part is that the store has not taken yet."""


class EpisodeJob(Frozen):
    """One episode: what travels to every step. The plan is a file in `folder`."""

    folder: Path
    store: str | None


class SegmentRecord(Made):
    """A finished segment: of its frames `copied` are a clip's own packets; `look` is what its check saw."""

    copied: int = 0
    look: SegmentLook


class SoundRecord(Kept):
    """The finished sound of a scene; see `SceneSound`."""

    sound: SceneSound


class Parts(Frozen):
    """Finished parts of an episode, by number of segment and of scene."""

    segments: dict[int, SegmentRecord]
    sounds: dict[int, SoundRecord]


@lru_cache(maxsize=2)
def load_plan(folder: Path) -> EpisodePlan:
    """The plan of the episode that is made in `folder`; read once in a process."""
    return EpisodePlan.model_validate_json((folder / PLAN).read_bytes())


@step("plan episode")
def plan_scenes(
    spec: EpisodeSpec, clips: Mapping[str, Clip | Unusable], store: str | None, folder: Path
) -> EpisodeJob:
    """Put the episode together from its clips, by the names that its scenes have for them.

    Raises:
        InputError: clips, texts, music or times cannot be used as asked.
    """
    current_channel().emit("stage", stage="plan")
    found = [_found(clips[scene.clip]) for scene in spec.scenes]
    plan = plan_episode(spec, found, load_settings().limits)
    if spec.enhance and spec.enhance.model == AUTO:
        plan = plan.model_copy(update={"notes": (*plan.notes, *_models(spec, clips))})
    (folder / PLAN).write_text(plan.model_dump_json())
    line, form = plan.timeline, plan.form
    get_run_logger().info(
        "%d scenes in %d segments: %d frames of %dx%d at %s fps",
        *(len(line.scenes), len(line.segments), line.frames, form.width, form.height, form.rate),
    )
    for note in plan.notes:
        get_run_logger().warning("%s", note)
    return EpisodeJob(folder=folder, store=store)


def _models(spec: EpisodeSpec, clips: Mapping[str, Clip | Unusable]) -> list[str]:
    """Sentences on the models that were chosen for the clips."""
    by_model: dict[str, list[str]] = {}
    for scene in spec.scenes:
        clip = clips[scene.clip]
        if isinstance(clip, Clip):
            names = by_model.setdefault(clip.model, [])
            name = plain(Path(scene.clip).name)
            names += [] if name in names else [name]
    return [f"Enhanced with {model}: {', '.join(names)}." for model, names in by_model.items()]


def _found(clip: Clip | Unusable) -> Found | str:
    if isinstance(clip, Unusable):
        return clip.why
    return Found(path=clip.source.path, digest=clip.source.sha256, info=clip.info)


@step("find finished parts")
def find_parts(job: EpisodeJob) -> Parts:
    """Segments and sounds that were made before."""
    plan, channel = load_plan(job.folder), current_channel()
    segment_keys = [key_of_segment(plan, index) for index in range(len(plan.timeline.segments))]
    sound_keys = [key_of_sound(plan, index) for index in range(len(plan.footages))]
    note_keys(job.folder, [*segment_keys, *sound_keys])
    segments, sounds = {}, {}
    for index, key in enumerate(segment_keys):
        channel.check()
        if segment := segment_cache(job).find(key):
            segments[index] = segment
    for index, key in enumerate(sound_keys):
        channel.check()
        if sound := sound_cache(job).find(key):
            sounds[index] = sound
    get_run_logger().info(
        "%d of %d segments and %d of %d sounds are finished already",
        *(len(segments), len(segment_keys), len(sounds), len(sound_keys)),
    )
    return Parts(segments=segments, sounds=sounds)


@step("find finished segments of a unit")
def find_some_segments(job: EpisodeJob, indices: Sequence[int]) -> dict[int, SegmentRecord]:
    """Those of some segments that are finished already, of an episode that another machine has planned."""
    channel, keys = current_channel(), noted_keys(job.folder)
    found = {}
    for index in indices:
        channel.check()
        if 0 <= index < len(keys) and (record := segment_cache(job).find(keys[index])):
            found[index] = record
    return found


def check_segments(job: EpisodeJob, indices: Sequence[int]) -> None:
    """Refuse to make segments that would not be those that an episode of another machine waits for.

    Raises:
        FarmError: they would not.
    """
    plan, keys = load_plan(job.folder), noted_keys(job.folder)
    if any(key_of_segment(plan, index) != keys[index] for index in indices):
        raise FarmError(
            f"The machine {worker_name()!r} would make other segments than the episode asks for: its version "
            "of Sakuga, or of Pillow, which draws letters, is another one; bring it up to date."
        )


def key_of_segment(plan: EpisodePlan, index: int) -> str:
    """What the segment of this number is kept under."""
    segment = plan.timeline.segments[index]
    footages = [plan.footages[span.scene] for span in segment.spans]
    return segment_key(segment, footages, plan.spec, plan.form)


def key_of_sound(plan: EpisodePlan, index: int) -> str:
    """What the sound of the scene of this number, from 0, is kept under."""
    return sound_key(plan.footages[index], plan.form, plan.spec.output.layout)


def segment_cache(job: EpisodeJob) -> PartCache[SegmentRecord]:
    """Finished segments in the episode's store."""
    return PartCache(open_store(job.store), SegmentRecord)


def sound_cache(job: EpisodeJob) -> PartCache[SoundRecord]:
    """Finished sounds of scenes in the episode's store."""
    return PartCache(open_store(job.store), SoundRecord)


@step("make segment", "segment {index}")
def make_segment(job: EpisodeJob, index: int, progress: Progress) -> SegmentRecord:
    """Make one segment and keep it: by stream copy where its clip allows that.

    Raises:
        SakugaError: see `retryable` for whether another attempt may help.
    """
    channel = current_channel()
    channel.check()
    plan = load_plan(job.folder)
    key, cache = key_of_segment(plan, index), segment_cache(job)
    with channel.part():
        record = cache.find(key) or _segment(job, index, key, cache, progress)
    progress.set(index, record.frames)
    return record


def _segment(
    job: EpisodeJob, index: int, key: str, cache: PartCache[SegmentRecord], progress: Progress
) -> SegmentRecord:
    plan, began = load_plan(job.folder), time.monotonic()
    segment = plan.timeline.segments[index]
    output = job.folder / f"segment-{index}{'.mov' if plan.form.settings.codec == 'prores' else '.mp4'}"
    try:
        copied = _make(plan, index, output, progress)
        look = look_at_segment(
            output,
            segment,
            plan.spec,
            plan.form,
            plan.footages,
            load_settings(),
            current_channel().cancelled,
        )
        record = SegmentRecord(
            key=key,
            ref=NOT_YET,
            frames=segment.frames,
            copied=copied,
            look=look,
            worker=worker_name(),
            elapsed=round(time.monotonic() - began, 3),
            tries=max(1, task_run.run_count or 1),
        )
        return cache.keep(record, output)
    finally:
        output.unlink(missing_ok=True)


def _make(plan: EpisodePlan, index: int, output: Path, progress: Progress) -> int:
    """Make a segment's file, and return how many of its frames were copied."""
    segment, settings, cancelled = plan.timeline.segments[index], load_settings(), current_channel().cancelled
    footages = [plan.footages[span.scene] for span in segment.spans]
    if segment.kind == "plain":
        copied = copy_span(footages[0], segment.spans[0], plan.form, output, settings, cancelled)
        if copied:
            return copied.copied
    render(
        segment,
        footages,
        plan.spec,
        plan.form,
        output,
        settings,
        cancelled,
        lambda done: progress.set(index, done),
    )
    return 0


@step("make sound", "sound of scene {index}")
def make_sound(job: EpisodeJob, index: int) -> SoundRecord:
    """Make the sound of one scene, counted from 0, and keep it.

    Raises:
        SakugaError: see `retryable` for whether another attempt may help.
    """
    channel = current_channel()
    channel.check()
    plan = load_plan(job.folder)
    key, cache = key_of_sound(plan, index), sound_cache(job)
    if found := cache.find(key):
        return found
    output = job.folder / f"sound-{index}.wav"
    with channel.part():
        try:
            sound = scene_sound(
                plan.footages[index],
                plan.form,
                plan.spec.output.layout,
                output,
                load_settings(),
                channel.cancelled,
            )
            kept = sound.model_copy(update={"path": Path(output.name)})
            return cache.keep(SoundRecord(key=key, ref=NOT_YET, sound=kept), output)
        finally:
            output.unlink(missing_ok=True)


@step("mix")
def mix_sounds(job: EpisodeJob, sounds: Sequence[SoundRecord]) -> Mixed:
    """The sound track of the episode, in the run's folder."""
    plan, channel, cache = load_plan(job.folder), current_channel(), sound_cache(job)
    channel.emit("stage", stage="mix")
    local = [_local(cache, record, job.folder) for record in sounds]
    suffix = {"mp4": ".m4a", "mkv": ".mka", "mov": ".mov"}[plan.spec.output.container]
    mixed = mix(
        plan.spec,
        plan.timeline,
        local,
        job.folder / f"sound{suffix}",
        job.folder,
        load_settings(),
        channel.cancelled,
    )
    for note in mixed.notes:
        get_run_logger().warning("%s", note)
    return mixed


def _local(cache: PartCache[SoundRecord], record: SoundRecord, folder: Path) -> SceneSound:
    path = patiently(lambda: cache.file(record, folder))
    return record.sound.model_copy(update={"path": path})
