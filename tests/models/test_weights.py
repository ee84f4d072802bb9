import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from sakuga.errors import (
    CancelledError,
    DownloadError,
    OptionError,
    SakugaError,
    WeightsError,
)
from sakuga.models.cards import CARDS, DOWNLOADS, find_card
from sakuga.models.weights import (
    ensure_weights,
    is_present,
    remove_weights,
    verify_weights,
    weights_state,
)
from sakuga.settings import Settings
from tests.assets import ASSETS, REPOSITORY
from tests.media.disks import small_disk
from tests.models import weights_server as servers
from tests.models.weights_server import (
    DATA,
    FETCH,
    HERE,
    WeightsServer,
    card_of,
    digest,
    files,
    part_of,
    server,
    settings,
    until,
)

__all__ = ["server", "settings", "small_disk"]

AT_ONCE = 3.0
"""Seconds in which a cancelled download ends; far below the time a stalled server would hold it."""


def test_every_card_names_a_published_file_by_its_digest() -> None:
    assert len({card.name for card in DOWNLOADS}) == len(DOWNLOADS)
    for card in DOWNLOADS:
        assert find_card(card.name) is card
        assert card.name == card.name.lower()
        for file in card.weights:
            assert file.url.startswith("https://github.com/")
            assert file.url.endswith(f"/{file.name}")
            assert len(bytes.fromhex(file.sha256)) == 32
    assert {card.name for card in DOWNLOADS} - {card.name for card in CARDS} == {"rife-4.25"}
    with pytest.raises(OptionError, match="no-such-model"):
        find_card("no-such-model")


def in_parallel(work: Callable[[], object], times: int) -> list[object]:
    """Results, or errors, of a function that several threads run at once."""
    results: list[object] = []

    def run() -> None:
        try:
            results.append(work())
        except SakugaError as error:
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_threads_that_ask_at_once_share_one_download(settings: Settings, server: WeightsServer) -> None:
    server.pause = 0.05
    card = card_of(server.address)
    paths = in_parallel(lambda: ensure_weights(card, settings), 6)
    assert paths == [(settings.models_root / "net.pth",)] * 6
    assert len(server.paths) == 1
    assert files(settings) == HERE


def test_threads_that_ask_at_once_for_what_cannot_be_had_all_hear_why(
    settings: Settings, server: WeightsServer
) -> None:
    server.data = bytes(len(DATA))
    card = card_of(server.address)
    errors = in_parallel(lambda: ensure_weights(card, settings), 3)
    assert [type(error) for error in errors] == [WeightsError] * 3
    assert files(settings) == set()


def program(settings: Settings, url: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, "net.pth", url, digest(DATA), str(len(DATA))],
        cwd=REPOSITORY,
        env={**os.environ, "SAKUGA_MODELS": str(settings.models_root)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_that_ask_at_once_share_one_download(settings: Settings, server: WeightsServer) -> None:
    server.pause = 0.3
    running = [program(settings, server.address) for _ in range(3)]
    said = [process.communicate(timeout=60)[0].strip() for process in running]
    assert said == [str(settings.models_root / "net.pth")] * 3
    assert len(server.paths) == 1
    assert files(settings) == HERE


def test_a_killed_download_is_finished_by_the_next_one(settings: Settings, server: WeightsServer) -> None:
    server.pause = 0.3
    with program(settings, server.address) as killed:
        until(lambda: part_of(settings).exists() and part_of(settings).stat().st_size > 100_000)
        killed.send_signal(signal.SIGKILL)
    assert files(settings) == {"net.pth.part"}
    begun = part_of(settings).stat().st_size
    server.pause = 0
    (path,) = ensure_weights(card_of(server.address), settings)
    assert path.read_bytes() == DATA
    assert server.ranges == [None, f"bytes={begun}-"]
    assert files(settings) == HERE


def test_one_that_waits_takes_over_when_the_other_is_killed(
    settings: Settings, server: WeightsServer
) -> None:
    server.pause = 0.3
    with program(settings, server.address) as killed:
        until(lambda: part_of(settings).exists() and part_of(settings).stat().st_size > 0)
        waiting = program(settings, server.address)
        time.sleep(0.5)
        killed.send_signal(signal.SIGKILL)
    assert waiting.communicate(timeout=60)[0].strip() == str(settings.models_root / "net.pth")
    assert files(settings) == HERE


def test_one_that_waits_for_another_can_be_cancelled(settings: Settings, server: WeightsServer) -> None:
    server.answer = servers.stalled
    patient = settings.model_copy(update={"download_timeout": 60.0})
    card, stop = card_of(server.address), threading.Event()

    def download() -> None:
        with suppress(CancelledError):
            ensure_weights(card, patient, cancelled=stop.is_set)

    first = threading.Thread(target=download)
    first.start()
    until(lambda: part_of(settings).exists() and part_of(settings).stat().st_size > 0)
    with pytest.raises(CancelledError):
        ensure_weights(card, patient, cancelled=lambda: True)
    assert first.is_alive()
    stop.set()
    first.join(AT_ONCE)
    assert not first.is_alive()


def test_a_folder_that_cannot_be_made_is_named(
    settings: Settings, server: WeightsServer, tmp_path: Path
) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(OptionError, match="SAKUGA_MODELS"):
        ensure_weights(card_of(server.address), settings)
    assert server.paths == []


def read_only(settings: Settings) -> Callable[[], object]:
    """Makes the folder of weights read-only, for root too; returns what undoes it."""
    folder = str(settings.models_root)
    try:
        subprocess.run(["mount", "--bind", folder, folder], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("making a folder read-only for root needs the right to mount")
    return lambda: subprocess.run(["umount", folder], check=True)


def test_a_folder_that_is_read_only_serves_what_it_holds_and_is_named_for_what_it_does_not(
    settings: Settings, server: WeightsServer
) -> None:
    settings.models_root.mkdir()
    (settings.models_root / "net.pth").write_bytes(DATA)
    undo = read_only(settings)
    try:
        assert ensure_weights(card_of(server.address), settings) == (settings.models_root / "net.pth",)
        with pytest.raises(OptionError, match=os.strerror(errno.EROFS)):
            ensure_weights(card_of(server.address, name="other.pth"), settings)
    finally:
        undo()
    assert server.paths == []
    assert files(settings) == {"net.pth"}


def test_a_mirror_folder_is_asked_in_place_of_the_official_address(
    settings: Settings, server: WeightsServer, tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    mirrored = settings.model_copy(update={"model_mirror": str(mirror)})
    with pytest.raises(DownloadError, match=str(mirror / "net.pth")):
        ensure_weights(card_of(server.address), mirrored)
    for wrong in (bytes(len(DATA)), DATA[:-1], DATA + b"x"):
        (mirror / "net.pth").write_bytes(wrong)
        with pytest.raises(WeightsError, match="not what was published"):
            ensure_weights(card_of(server.address), mirrored)
        assert files(settings) == set()
    (mirror / "net.pth").write_bytes(DATA)
    (path,) = ensure_weights(card_of(server.address), mirrored)
    assert path.read_bytes() == DATA
    assert server.paths == []


@pytest.mark.parametrize("end", ["", "/", "/weights/"])
def test_a_mirror_address_is_asked_in_place_of_the_official_one(
    settings: Settings, server: WeightsServer, end: str
) -> None:
    mirrored = settings.model_copy(update={"model_mirror": server.address + end})
    (path,) = ensure_weights(card_of("https://github.com/never-asked/net.pth"), mirrored)
    assert path.read_bytes() == DATA
    assert server.paths == [f"{end.rstrip('/')}/net.pth"]


@pytest.mark.parametrize(
    "mirror",
    ["ftp://host/", "file:///etc", "http://", "http://[::1", "http://me:secret@host/", "http://h/?a=b"],
)
def test_a_mirror_that_is_no_folder_or_address_is_refused(settings: Settings, mirror: str) -> None:
    mirrored = settings.model_copy(update={"model_mirror": mirror})
    with pytest.raises(OptionError, match="SAKUGA_MODEL_MIRROR") as refused:
        ensure_weights(card_of(""), mirrored)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("wrong", [b"", DATA[:-1], DATA + b"x", bytes(len(DATA))])
def test_a_damaged_file_is_refused_until_it_is_fetched_again(
    settings: Settings, server: WeightsServer, wrong: bytes
) -> None:
    card = card_of(server.address)
    (path,) = ensure_weights(card, settings)
    path.write_bytes(wrong)
    assert weights_state(card.weights[0], settings) == "damaged"
    with pytest.raises(WeightsError) as refused:
        ensure_weights(card, settings)
    assert digest(wrong) in str(refused.value)
    assert digest(DATA) in str(refused.value)
    assert ensure_weights(card, settings, replace=True) == (path,)
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_refused(settings: Settings, make: Callable[[Path], None]) -> None:
    settings.models_root.mkdir()
    make(settings.models_root / "net.pth")
    with pytest.raises(WeightsError, match="not a file"):
        ensure_weights(card_of("http://never.invalid"), settings)
    assert verify_weights(card_of(""), settings)[0].state == "damaged"


def test_a_link_in_place_of_a_partial_file_is_not_followed(
    settings: Settings, server: WeightsServer, tmp_path: Path
) -> None:
    (tmp_path / "precious").write_text("mine")
    settings.models_root.mkdir()
    part_of(settings).symlink_to(tmp_path / "precious")
    with pytest.raises(OptionError):
        ensure_weights(card_of(server.address), settings)
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_proved_file_is_not_read_again_unless_it_has_changed(
    settings: Settings, server: WeightsServer
) -> None:
    card = card_of(server.address)
    (path,) = ensure_weights(card, settings)
    here = path.stat()
    path.write_bytes(bytes(len(DATA)))
    os.utime(path, ns=(here.st_atime_ns, here.st_mtime_ns))
    # the one change that cannot be seen from outside shows that nothing was read
    assert is_present(card.weights[0], settings)
    assert verify_weights(card, settings)[0].state == "damaged"
    assert not is_present(card.weights[0], settings)


def test_files_that_were_put_there_by_hand_are_found(settings: Settings) -> None:
    settings.models_root.mkdir()
    (settings.models_root / "net.pth").write_bytes(DATA)
    (verdict,) = verify_weights(card_of("http://never.invalid"), settings)
    assert (verdict.state, verdict.found) == ("present", digest(DATA))
    assert ensure_weights(card_of("http://never.invalid"), settings) == (verdict.path,)


def test_removing_leaves_nothing_and_tells_what_went(settings: Settings, server: WeightsServer) -> None:
    card = card_of(server.address)
    assert remove_weights(card, settings) == ()
    (path,) = ensure_weights(card, settings)
    part_of(settings).write_bytes(b"begun")
    assert remove_weights(card, settings) == (path,)
    assert files(settings) == set()
    assert weights_state(card.weights[0], settings) == "absent"


def test_the_official_file_has_the_digest_of_its_card_and_a_converted_one_is_refused(
    settings: Settings, tmp_path: Path
) -> None:
    official = ASSETS / "weights"
    if not official.is_dir():
        pytest.skip("the official weights are not here")
    mirrored = settings.model_copy(update={"model_mirror": str(official)})
    card = find_card("realesr-animevideov3")
    (path,) = ensure_weights(card, mirrored)
    assert path.stat().st_size == card.weights[0].size

    mirror = tmp_path / "mirror"
    mirror.mkdir()
    converted = official / "realesr-general-x4v3.ncnn-fp16.pth"
    (mirror / "realesr-general-x4v3.pth").write_bytes(converted.read_bytes())
    general = find_card("realesr-general-x4v3")
    with pytest.raises(WeightsError):
        ensure_weights(general, settings.model_copy(update={"model_mirror": str(mirror)}))
    assert not is_present(general.weights[0], settings)
