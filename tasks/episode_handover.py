"""Handing an episode to the workers of a pool: its plan, and the clips and fonts of what is to be made.

Clips and fonts travel under their digests, and a worker fetches those that its own segments need.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from prefect.logging import get_run_logger

from blocks.files import local_errors
from blocks.stores import MediaStore
from sakuga.episode.carried import carried, needed_fonts, needed_footages
from sakuga.episode.plan import EpisodePlan
from sakuga.errors import StoreError
from sakuga.media.ref import MediaRef, file_digest
from tasks.channel import current_channel
from tasks.episode import PLAN, EpisodeJob, check_segments, load_plan
from tasks.handover import MANIFEST, pack, read_shared, unpack
from tasks.handover import PLAN as ARCHIVE
from tasks.job import Source, open_store
from tasks.retry import step
from tasks.scratch import KEYS
from tasks.shared import JOBS, SharedEpisode, SharedFile, job_key
from tasks.source_cache import local_source, safe_suffix

TRAVELLING = "travelling.json"
"""The plan as it goes to workers, with digests for names of files."""


@step("share episode")
def share_episode(
    job: EpisodeJob, name: str, sources: Mapping[str, Source], segments: Sequence[int], job_id: str
) -> SharedEpisode:
    """Put what workers need for segments of an episode into its store.

    What an earlier try of the same job has left there is used again, and clips that came from the store are
    not stored a second time.

    Args:
        job: the episode; its folder holds its plan and the keys of its segments.
        name: what people call it.
        sources: its clips by digest.
        segments: numbers of those that are to be made.
        job_id: id of the job's flow run.

    Raises:
        StoreError: the store could not be written; worth another try.
        DiskFullError: no room is left.
    """
    store, plan = open_store(job.store), load_plan(job.folder)
    store.prepare()
    clips = {}
    for footage in needed_footages(plan, segments):
        current_channel().check()
        source = sources[footage.digest]
        ref = source.ref or _share_file(store, source.path, source.sha256, source.size, job_id)
        clips[source.sha256] = SharedFile(ref=ref, name=source.name)
    fonts, digests = {}, {}
    for font in needed_fonts(plan, segments):
        sha256, size = file_digest(Path(font))
        fonts[sha256] = SharedFile(
            ref=_share_file(store, Path(font), sha256, size, job_id), name=Path(font).name
        )
        digests[font] = sha256
    shared = SharedEpisode(
        id=job_id, name=name, plan=_share_plan(job, store, digests, job_id), clips=clips, fonts=fonts
    )
    # last: where it is, all that it names is there too
    store.write(job_key(job_id, MANIFEST), shared.model_dump_json().encode())
    get_run_logger().info("The episode is ready for workers in %s", store.location(f"{JOBS}/{job_id}"))
    return shared


@step("fetch episode")
def fetch_episode(job_id: str, store: str | None, folder: Path) -> tuple[EpisodeJob, SharedEpisode]:
    """The plan of an episode that another run has shared; `fetch_files` brings what its segments show.

    Args:
        job_id: id of the job.
        store: the media store block that it was shared in.
        folder: this run's own; it gets the plan and the keys.

    Raises:
        StoreError: the episode is not in the store, or not what it was; worth another try.
        DiskFullError: no room is left for it.
    """
    current_channel().check()
    opened = open_store(store)
    shared = read_shared(opened, job_id, SharedEpisode)
    unpack(opened.fetch(shared.plan, folder / ARCHIVE), folder, (TRAVELLING, KEYS))
    return EpisodeJob(folder=folder, store=store), shared


@step("fetch clips")
def fetch_files(job: EpisodeJob, shared: SharedEpisode, segments: Sequence[int]) -> dict[str, Path]:
    """The clips and fonts of some segments as verified files of this machine, which the plan names then.

    Args:
        job: the episode, as `fetch_episode` gives it.
        shared: what was shared of it.
        segments: numbers of those that are to be made here.

    Returns:
        Where the clips lie, by digest.

    Raises:
        StoreError: a file is not in the store, or not what it was; worth another try.
        OptionError: there is no such segment.
        FarmError: this machine would make other segments.
        DiskFullError: no room is left.
    """
    store, folder = open_store(job.store), job.folder
    plan = EpisodePlan.model_validate_json((folder / TRAVELLING).read_bytes())
    clips = _fetch(store, shared.clips, [each.digest for each in needed_footages(plan, segments)], folder)
    fonts = _fetch(store, shared.fonts, needed_fonts(plan, segments), folder)
    here = carried(
        plan,
        # clips of other segments are never opened
        lambda footage: clips.get(footage.digest, folder / "elsewhere"),
        lambda name: str(fonts.get(name, name)),
    )
    with local_errors(folder):
        (folder / PLAN).write_text(here.model_dump_json())
    check_segments(job, segments)
    return clips


def _share_plan(job: EpisodeJob, store: MediaStore, fonts: Mapping[str, str], job_id: str) -> MediaRef:
    """Store the plan with clips and fonts by their digests: paths of this machine mean nothing elsewhere."""
    plan = carried(
        load_plan(job.folder),
        lambda footage: Path(footage.digest or "placeholder"),
        lambda name: fonts.get(name, name),
    )
    travelling = job.folder / TRAVELLING
    with local_errors(travelling):
        travelling.write_text(plan.model_dump_json())
    archive = pack(job.folder, {TRAVELLING: travelling, KEYS: job.folder / KEYS})
    try:
        return store.put(archive, job_key(job_id, ARCHIVE))
    finally:
        archive.unlink(missing_ok=True)
        travelling.unlink(missing_ok=True)


def _share_file(store: MediaStore, path: Path, sha256: str, size: int, job_id: str) -> MediaRef:
    ref = MediaRef(uri=job_key(job_id, f"files/{sha256}{safe_suffix(path.name)}"), sha256=sha256, size=size)
    # a key gets its file whole or not at all
    return ref if store.exists(ref) else store.share(path, ref)


def _fetch(
    store: MediaStore, shared: Mapping[str, SharedFile], wanted: Iterable[str], folder: Path
) -> dict[str, Path]:
    found = {}
    for digest in wanted:
        current_channel().check()
        file = shared.get(digest)
        if file is None or file.ref.sha256 != digest:
            raise StoreError("A clip or a font of the episode was not shared; start the job again.")
        own = folder / f"file-{digest}"
        with local_errors(own):
            own.mkdir(exist_ok=True)
        found[digest] = local_source(store, file.ref, own, file.name)
    return found
