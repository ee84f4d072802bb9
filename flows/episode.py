"""Make an episode: fetch and probe clips, make each part, mix, join, check, publish."""

import hashlib
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, unmapped
from prefect.runtime import flow_run
from pydantic import Field

from flows.dispatch import Dispatch
from flows.enhance import enhance
from flows.episode_parts import make_parts
from flows.forms import titled
from flows.threads import chunk_threads
from sakuga.enhance.spec import EnhanceSpec
from sakuga.episode.report import EpisodeReport, EpisodeWork
from sakuga.episode.retake import replaced, scene_number
from sakuga.episode.spec import EpisodeSpec
from sakuga.errors import QualityError
from sakuga.media.info import Frozen
from sakuga.media.ref import MediaRef
from sakuga.settings import load_settings
from tasks.artifacts import publish_episode_artifacts
from tasks.channel import current_channel, open_channel
from tasks.clips import Clip, Unusable, fetch_clip, folders_for
from tasks.destination import Destination, choose_destination
from tasks.episode import (
    EpisodeJob,
    Parts,
    load_plan,
    mix_sounds,
    plan_scenes,
)
from tasks.episode_end import check_result, draw_pictures, episode_report, join_episode
from tasks.episode_files import episode_files
from tasks.failure import said_plainly
from tasks.gather import gather
from tasks.job import Source, prepare_store
from tasks.names import episode_name
from tasks.publish import Place, publish
from tasks.scratch import run_folder
from tasks.stopwatch import Stopwatch


class EpisodeOutcome(Frozen):
    """What a finished episode left; places are paths, or addresses in a store."""

    result: str
    ref: MediaRef
    report: str
    pictures: list[str]
    frames: int
    scenes: int
    work: EpisodeWork
    seconds: float
    checks: int


class Retake(Frozen):
    """Another clip for a scene, by the scene's name or its number from 1."""

    scene: str = Field(title="Scene", description="Name of the scene, or its number from 1.")
    clip: str = Field(title="Clip", description="The new clip.")
    notes: str = Field("", title="Notes", description="Why.")


def _run_name() -> str:
    return episode_name(flow_run.parameters)


@flow(name="episode", flow_run_name=_run_name, task_runner=chunk_threads(), persist_result=False)
@said_plainly
def episode(
    episode: Annotated[Annotated[str, Field(title="File")] | EpisodeSpec, titled("Episode")],
    output: Annotated[str | None, titled("Output")] = None,
    retakes: Annotated[list[Retake], titled("Retakes")] = [],  # noqa: B006 - Prefect copies parameters
    dispatch: Annotated[Dispatch, titled("Dispatch")] = "local",
    overwrite: Annotated[bool, titled("Overwrite")] = False,
    store: Annotated[str | None, titled("Store")] = None,
) -> EpisodeOutcome:
    """Stitch clips into an episode. What was made once is kept: after a change only what changed is made.

    Args:
        episode: The episode: a YAML or JSON file of the machine that runs this or of the store, or all of it.
        output: File or folder for the result; empty is beside the file, or in the store.
        retakes: Scenes that get another clip; the file is not changed.
        dispatch: Where pictures are made: `local` in this run, `pool` by the workers of the CPU pool; and
            where clips are enhanced, if the episode asks for that, then by those of the GPU pool.
        overwrite: Replace a result of the same name.
        store: A media store block, as `type/name`; files may be keys or addresses in it.

    Returns:
        Where everything is, and how much was made.

    Raises:
        InputError: the episode, a clip or an option is not acceptable.
        QualityError: the result failed a check; it is kept under a name that says so.
        CancelledError: it was asked to stop; finished parts are kept.
        SakugaError: anything else that went wrong.
    """
    clock = Stopwatch()
    root = load_settings().scratch_root
    with (
        open_channel(),
        run_folder(root) as folder,
        episode_files(store, folder) as files,
        ExitStack() as ending,
    ):
        prepare_store(store)
        opened = files.open(episode)
        file, spec = opened.file, opened.spec
        for retake in retakes:
            spec = replaced(spec, scene_number(spec, retake.scene), retake.clip, retake.notes)
        spec = files.located(spec, opened)
        destination = choose_destination(
            file, opened.name, spec.output.container, output, in_store=store is not None, overwrite=overwrite
        )
        with clock("read"):
            mark, spec = _mark(spec), files.fetch(spec)
            clips = _clips(spec, store, folder)
        if spec.enhance:
            with clock("enhance"):
                clips = _enhanced(clips, spec.enhance, dispatch, store, folder)
        with clock("plan"):
            job = plan_scenes(spec, clips, store, folder)
        with clock("render"):
            parts, cached = make_parts(job, dispatch, _sources(clips), ending)
        return _finish(job, parts, cached, destination, mark, clock, overwrite)


def _clips(spec: EpisodeSpec, store: str | None, folder: Path) -> dict[str, Clip | Unusable]:
    """Every clip once, by the name that the scenes have for it."""
    places = folders_for((scene.clip for scene in spec.scenes), folder)
    names = list(places)
    futures = fetch_clip.map(names, unmapped(store), list(places.values()))
    fetched = gather(Frozen, futures, list(range(len(names))), what="clip")
    found: dict[str, Clip | Unusable] = {}
    for index, clip in fetched.items():
        assert isinstance(clip, Clip | Unusable)
        found[names[index]] = clip
    return found


def _sources(clips: Mapping[str, Clip | Unusable]) -> dict[str, Source]:
    """Files of the clips by their digests."""
    return {clip.source.sha256: clip.source for clip in clips.values() if isinstance(clip, Clip)}


def _enhanced(
    clips: Mapping[str, Clip | Unusable],
    wanted: EnhanceSpec,
    dispatch: Dispatch,
    store: str | None,
    folder: Path,
) -> dict[str, Clip | Unusable]:
    """The clips after `enhance`, which keeps its chunks: what was enhanced before is only joined again."""
    done: dict[str, Clip | Unusable] = {}
    for number, (name, clip) in enumerate(clips.items()):
        current_channel().check()
        if isinstance(clip, Unusable):
            done[name] = clip
            continue
        place = folder / f"enhanced-{number}"
        place.mkdir(exist_ok=True)
        source = clip.source.ref or str(clip.source.path)
        output = str(place / f"clip.{wanted.container}")
        with open_channel(current_channel().below()):
            outcome = enhance(source, wanted, output=output, dispatch=dispatch, overwrite=True, store=store)
        made = fetch_clip(output, None, place)
        done[name] = made.model_copy(update={"model": outcome.model}) if isinstance(made, Clip) else made
    return done


def _finish(
    job: EpisodeJob,
    parts: Parts,
    cached: Parts,
    destination: Destination,
    mark: str,
    clock: Stopwatch,
    overwrite: bool,
) -> EpisodeOutcome:
    """From finished parts to a published episode.

    Raises:
        QualityError: it failed a check.
    """
    plan = load_plan(job.folder)
    segments = [parts.segments[index] for index in range(len(plan.timeline.segments))]
    with clock("mix"):
        mixed = mix_sounds(job, [parts.sounds[index] for index in range(len(plan.footages))])
    with clock("assemble"):
        result, joined = join_episode(job, segments, mixed, destination.name)
    with clock("check"):
        audit = check_result(job, result, segments, mixed)
    with clock("previews"):
        pictures = draw_pictures(job, result, audit)
    work = _work(parts, cached)
    report = episode_report(job, result, destination.name, mixed, joined, work, clock.stages, audit)
    place = Place(folder=job.folder, store=job.store, mark=mark)
    places = publish(place, destination, result, report, pictures, overwrite=overwrite)
    publish_episode_artifacts(report, places)
    _refuse_failed(report, places)
    return EpisodeOutcome(
        result=places["result"],
        ref=MediaRef.model_validate(places["ref"]),
        report=places["report"],
        pictures=[places[kind] for kind in pictures],
        frames=plan.timeline.frames,
        scenes=len(plan.footages),
        work=work,
        seconds=round(time.monotonic() - clock.began, 3),
        checks=len(audit.checks),
    )


def _refuse_failed(report: EpisodeReport, places: dict[str, Any]) -> None:
    if not report.passed:
        names = ", ".join(check.name for check in report.failed)
        raise QualityError(f"The episode failed a check ({names}); it is kept as {places['result']!r}.")


def _work(parts: Parts, cached: Parts) -> EpisodeWork:
    made = [record for index, record in parts.segments.items() if index not in cached.segments]
    copied = sum(record.copied for record in made)
    return EpisodeWork(
        segments=len(parts.segments),
        encoded=sum(record.copied < record.frames for record in made),
        copied=sum(record.copied == record.frames for record in made),
        cached=len(cached.segments),
        encoded_frames=sum(record.frames for record in made) - copied,
        copied_frames=copied,
        sounds=len(parts.sounds),
        cached_sounds=len(cached.sounds),
    )


def _mark(spec: EpisodeSpec) -> str:
    """What tells this episode's results in a store from others'."""
    return hashlib.sha256(spec.model_dump_json().encode()).hexdigest()[:12]
