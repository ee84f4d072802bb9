import os
import shutil
import time
from collections.abc import Callable
from inspect import unwrap
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.logging import disable_run_logger

from flows.enhance import enhance
from flows.watch import WatchOptions, watch_folder
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import OptionError
from tasks.ledger import NAME, Entries
from tasks.scan import Scan
from tasks.watching import TAG
from tests.clips import make_clip

pytestmark = pytest.mark.usefixtures("prefect_server", "sakuga_home")

SPEC = EnhanceSpec(model="lanczos", preset="ultrafast")
NOW = WatchOptions(settle_seconds=0, deployment="enhance/watched")


@pytest.fixture(scope="module", autouse=True)
def deployment(prefect_server: None) -> None:
    """What a watch starts; no worker takes these runs, so tests say what becomes of them."""
    del prefect_server
    enhance.to_deployment("watched").apply()  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for number in range(3):
        make_clip(folder / f"{number}.mp4", frames=4 + number, size=(48, 40))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "in"
    made.mkdir()
    return made


def _put(clips: Path, number: int, target: Path) -> Path:
    """A clip that differs from that of every other test, so that no run is taken from one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(clips / f"{number}.mp4", target)
    with target.open("ab") as file:
        file.write(b"\0\0\0\x28free" + os.urandom(32))
    return target


def _scan(folder: Path, options: WatchOptions = NOW, **more: str) -> Scan:
    """One scan without a run of its own, which would take most of the time."""
    with disable_run_logger():
        return unwrap(watch_folder.fn)(  # type: ignore[no-any-return]
            str(folder), spec=SPEC, options=options, **more
        )


def _runs(folder: Path) -> list[FlowRun]:
    """Runs that were started for files of a folder."""
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(limit=200)
    return [r for r in runs if TAG in r.tags and str(r.parameters["source"]).startswith(str(folder))]


def _end(run: FlowRun, kind: StateType, message: str | None = None) -> None:
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, State(type=kind, message=message), force=True)


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.sakuga-error.txt")


def _unchanged(folder: Path) -> Callable[[], bool]:
    before = (folder / NAME).stat().st_mtime_ns
    return lambda: (folder / NAME).stat().st_mtime_ns == before


def test_a_new_video_is_started_once_with_what_was_asked(clips: Path, folder: Path) -> None:
    _put(clips, 0, folder / "sub" / "a.mp4")
    found = watch_folder(str(folder), spec=SPEC, options=NOW, output="out")
    assert found == Scan(files=1, started=1, running=1)
    (run,) = _runs(folder)
    assert run.parameters["source"] == str(folder / "sub" / "a.mp4")
    assert run.parameters["output"] == "out/sub/"
    assert EnhanceSpec.model_validate(run.parameters["spec"]) == SPEC
    assert run.idempotency_key
    assert run.idempotency_key.startswith("watch:")
    unchanged = _unchanged(folder)
    again = _scan(folder, output="out")
    assert (again.started, again.known, again.running) == (0, 1, 1)
    assert unchanged(), "the ledger was written without need"


def test_a_renamed_copy_is_known_and_a_changed_file_is_new(clips: Path, folder: Path) -> None:
    clip = _put(clips, 0, folder / "a.mp4")
    _scan(folder)
    shutil.copy(clip, folder / "copy.mp4")
    clip.rename(folder / "renamed.mp4")
    found = _scan(folder)
    assert (found.files, found.started, found.known) == (2, 0, 2)
    _put(clips, 1, folder / "renamed.mp4")
    assert _scan(folder).started == 1
    # the result of the earlier content is ours to replace
    assert sorted(run.parameters["overwrite"] for run in _runs(folder)) == [False, True]


def test_a_moved_folder_is_known_and_a_second_folder_is_not(
    clips: Path, folder: Path, tmp_path: Path
) -> None:
    clip = _put(clips, 0, folder / "a.mp4")
    assert _scan(folder).started == 1
    (tmp_path / "other").mkdir()
    shutil.copy(clip, tmp_path / "other" / "a.mp4")
    assert _scan(tmp_path / "other").started == 1
    assert len(_runs(tmp_path)) == 2
    folder.rename(tmp_path / "moved")
    assert _scan(tmp_path / "moved").started == 0


def test_of_two_equal_files_in_one_scan_one_is_started(clips: Path, folder: Path) -> None:
    clip = _put(clips, 0, folder / "a.mp4")
    shutil.copy(clip, folder / "b.mp4")
    assert _scan(folder).started == 1


def test_another_request_is_new_for_the_same_video(clips: Path, folder: Path) -> None:
    _put(clips, 0, folder / "a.mp4")
    assert _scan(folder).started == 1
    assert _scan(folder, output="elsewhere").started == 1
    assert _scan(folder).started == _scan(folder, output="elsewhere").started == 0


def test_a_file_that_grows_does_not_count_until_it_has_stopped(clips: Path, folder: Path) -> None:
    import threading

    clip = _put(clips, 0, folder / "a.mp4")
    stop = threading.Event()

    def grow() -> None:
        with clip.open("ab") as file:
            while not stop.wait(0.05):
                file.write(b"\0\0\0\x08free")
                file.flush()

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        found = _scan(folder, NOW.model_copy(update={"settle_seconds": 0.5}))
    finally:
        stop.set()
        thread.join()
    assert (found.started, found.growing) == (0, 1)
    assert _scan(folder, NOW.model_copy(update={"settle_seconds": 0.5})).started == 1


@pytest.mark.parametrize(
    ("kind", "message", "words"),
    [
        (
            StateType.FAILED,
            "Flow run encountered an exception: UnreadableMediaError: 'a.mp4' holds no video.",
            "The run failed. 'a.mp4' holds no video.",
        ),
        (StateType.CRASHED, "No heartbeat for 90 s", "machine went away. No heartbeat for 90 s"),
        (StateType.CANCELLED, None, "was cancelled"),
    ],
)
def test_a_run_that_ends_badly_leaves_a_sidecar_and_is_not_tried_again(
    clips: Path, folder: Path, kind: StateType, message: str | None, words: str
) -> None:
    clip = _put(clips, 0, folder / "a.mp4")
    _scan(folder)
    (run,) = _runs(folder)
    _end(run, kind, message)
    assert _scan(folder).failed == 1
    text = _sidecar(clip).read_text()
    assert words in text
    assert str(run.id) in text
    assert run.name in text
    assert "delete this file" in text
    unchanged = _unchanged(folder)
    again = _scan(folder)
    assert (again.started, again.failed, again.known) == (0, 0, 1)
    assert unchanged()
    assert len(_runs(folder)) == 1


def test_deleting_the_sidecar_tries_once_more(clips: Path, folder: Path) -> None:
    clip = _put(clips, 0, folder / "a.mp4")
    _scan(folder)
    _end(_runs(folder)[0], StateType.FAILED, "no")
    _scan(folder)
    _sidecar(clip).unlink()
    assert _scan(folder).started == 1
    assert len({run.idempotency_key for run in _runs(folder)}) == 2
    assert _scan(folder).started == 0


def test_a_changed_file_takes_its_sidecar_away(clips: Path, folder: Path) -> None:
    clip = _put(clips, 0, folder / "a.mp4")
    _scan(folder)
    _end(_runs(folder)[0], StateType.FAILED, "no")
    _scan(folder)
    _put(clips, 1, clip)
    assert _scan(folder).started == 1
    assert not _sidecar(clip).exists()


def test_a_run_that_was_retried_and_completed_counts_as_done(clips: Path, folder: Path) -> None:
    clip = _put(clips, 0, folder / "a.mp4")
    _scan(folder)
    (run,) = _runs(folder)
    _end(run, StateType.FAILED, "no")
    _scan(folder)
    assert _sidecar(clip).exists()
    _end(run, StateType.RUNNING)
    _sidecar(clip).unlink()
    assert _scan(folder).started == 0, "it is being retried already"
    _end(run, StateType.COMPLETED)
    assert _scan(folder).done == 1
    assert _scan(folder).done == 0


def test_a_completed_run_takes_the_sidecar_away(clips: Path, folder: Path) -> None:
    clip = _put(clips, 0, folder / "a.mp4")
    _scan(folder)
    (run,) = _runs(folder)
    _end(run, StateType.FAILED, "no")
    _scan(folder)
    _end(run, StateType.COMPLETED)
    assert _scan(folder).done == 1
    assert not _sidecar(clip).exists()


def test_a_file_that_is_no_video_gets_a_sidecar_without_a_run(clips: Path, folder: Path) -> None:
    bad = folder / "bad.mp4"
    bad.write_bytes(b"this is no video" * 50)
    _put(clips, 0, folder / "good.mp4")
    found = _scan(folder)
    assert (found.refused, found.started) == (1, 1)
    assert "Reason:" in _sidecar(bad).read_text()
    assert "Run:" not in _sidecar(bad).read_text()
    assert (_scan(folder).refused, len(_runs(folder))) == (0, 1)
    _sidecar(bad).unlink()
    assert _scan(folder).refused == 1
    assert _sidecar(bad).exists()
    _put(clips, 1, bad)
    assert _scan(folder).started == 1
    assert not _sidecar(bad).exists()


def test_a_lost_ledger_does_nothing_twice(clips: Path, folder: Path) -> None:
    _put(clips, 0, folder / "a.mp4")
    _scan(folder)
    (folder / NAME).write_bytes(b"{ damaged")
    assert _scan(folder).started == 1, "as far as the watch knows"
    assert len(_runs(folder)) == 1


def test_a_vanished_file_is_forgotten_but_not_its_content(clips: Path, folder: Path, tmp_path: Path) -> None:
    clip = _put(clips, 0, folder / "a.mp4")
    _scan(folder)
    clip.rename(tmp_path / "aside.mp4")
    _scan(folder)
    assert Entries.model_validate_json((folder / NAME).read_bytes()).files == {}
    (tmp_path / "aside.mp4").rename(folder / "back.mp4")
    assert _scan(folder).started == 0


def test_more_new_files_than_a_scan_takes_are_left_for_the_next(clips: Path, folder: Path) -> None:
    for number in range(3):
        _put(clips, number, folder / f"{number}.mp4")
    two = NOW.model_copy(update={"max_new": 2})
    first = _scan(folder, two)
    assert (first.started, first.later) == (2, 1)
    assert _scan(folder, two).started == 1


def test_a_missing_deployment_is_named_and_nothing_counts_as_done(clips: Path, folder: Path) -> None:
    _put(clips, 0, folder / "a.mp4")
    with pytest.raises(OptionError, match="no deployment 'enhance/nothing'"):
        _scan(folder, NOW.model_copy(update={"deployment": "enhance/nothing"}))
    assert _scan(folder).started == 1


def test_a_rescan_of_ten_thousand_known_files_is_quick(
    folder: Path, record_property: Callable[..., None]
) -> None:
    for number in range(10_000):
        path = folder / f"{number % 100:02}" / f"{number}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(number.to_bytes(4))
    from blocks.stores import LocalFolderStore
    from tasks.ledger import Asked, Ledger, SeenFile
    from tasks.places import Place
    from tasks.watching import Request

    request = Request(
        spec=SPEC, output=None, store=None, dispatch="local", overwrite=False, deployment=NOW.deployment
    )
    ledger = Ledger(LocalFolderStore(root=folder))
    listing = Place(str(folder), None).listing(NOW.patterns, recursive=True)
    for number, (name, (size, changed)) in enumerate(listing.files.items()):
        digest = f"{number:064x}"
        ledger.see(name, SeenFile(size=size, changed=changed, sha256=digest))
        ledger.note(f"{digest}:{request.digest()}", Asked(name=name, attempt=1, outcome="done"))
    ledger.save()
    began = time.monotonic()
    assert _scan(folder).known == 10_000
    record_property("seconds", time.monotonic() - began)
