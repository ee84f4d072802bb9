"""Putting a finished job where people find it: report and pictures first, the result last."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from prefect.logging import get_run_logger

from blocks.files import local_errors
from blocks.stores import LocalFolderStore, MediaStore
from sakuga.errors import SakugaError
from sakuga.media.info import Frozen
from sakuga.media.ref import MediaRef
from tasks.channel import current_channel
from tasks.destination import REPORT, Destination
from tasks.job import open_store
from tasks.retry import step

ENDINGS = {
    "poster": ".poster.jpg",
    "contact_sheet": ".contact-sheet.png",
    "before_after": ".before-after.png",
    "waveform": ".waveform.png",
    "report": REPORT,
    "report_markdown": ".report.md",
}

LINKS = timedelta(days=7)
"""How long signed links to results hold; S3 allows no more."""


class Place(Frozen):
    """Folder of the run, media store of its results, and their folder in it."""

    folder: Path
    store: str | None
    mark: str


class Report(Protocol):
    """What is published of a job's report."""

    @property
    def passed(self) -> bool:
        """Whether every check passed."""

    def to_json(self, path: Path) -> Path:
        """Write it for programs, and return the path."""

    def to_markdown(self) -> str:
        """It for people."""


@step("publish")
def publish(
    place: Place,
    destination: Destination,
    result: Path,
    report: Report,
    pictures: dict[str, Path],
    *,
    overwrite: bool,
) -> dict[str, Any]:
    """Move the result, its report and its pictures to where they belong, each whole or not at all.

    The result comes last and under its own name only when all checks passed: where it is, everything is.

    Args:
        place: the run's folder, its store, and what tells its results in the store from others.
        destination: where the result goes.
        result: the file.
        report: of the job.
        pictures: files by their kind, see `ENDINGS`.
        overwrite: replace a result of the same name.

    Returns:
        Where each file is, for people; `links` to them, which may hold for a while only; and the reference
        to the result.

    Raises:
        OptionError: a result of this name has appeared meanwhile.
        StoreError: the store could not be written.
        DiskFullError: no room is left.
    """
    current_channel().emit("stage", stage="publish")
    store, prefix = target_store(place, destination)
    files = {
        **pictures,
        "report": place.folder / "report.json",
        "report_markdown": place.folder / "report.md",
    }
    report.to_json(files["report"])
    files["report_markdown"].write_text(report.to_markdown(), encoding="utf-8")
    places: dict[str, Any] = {}
    links: dict[str, str] = {}
    name = destination.name if report.passed else destination.failed_name
    with all_or_none(store) as put:
        for kind, file in files.items():
            key = f"{prefix}{destination.stem}{ENDINGS[kind]}"
            put(file, key)
            places[kind], links[kind] = store.location(key), store.link(key, LINKS)
        ref = put(result, f"{prefix}{name}", overwrite=overwrite or not report.passed, move=True)
    places["result"], links["result"] = store.location(ref.uri), store.link(ref.uri, LINKS)
    places["links"] = links
    places["ref"] = ref.model_dump(mode="json")
    get_run_logger().info("Result: %s", places["result"])
    return places


@contextmanager
def all_or_none(store: MediaStore) -> Iterator[Callable[..., MediaRef]]:
    """A `put` whose new files are removed again when a later one fails."""
    new: list[str] = []

    def put(file: Path, key: str, *, overwrite: bool = True, move: bool = False) -> MediaRef:
        there = store.stat(key) is not None
        ref = store.put(file, key, overwrite=overwrite, move=move)
        if not there:
            new.append(key)
        return ref

    try:
        yield put
    except BaseException:
        for key in new:
            with suppress(SakugaError):
                store.remove(key)
        raise


def target_store(place: Place, destination: Destination) -> tuple[MediaStore, str]:
    """The store that the result goes to, and what the keys in it begin with."""
    if destination.folder is not None:
        # people look into this folder: it is made without the marker of a store
        with local_errors(destination.folder):
            destination.folder.mkdir(parents=True, exist_ok=True)
        return LocalFolderStore(root=destination.folder), ""
    return open_store(place.store), f"{destination.prefix}/{place.mark}/"
