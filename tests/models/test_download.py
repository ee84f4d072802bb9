import threading
import time

import pytest

from sakuga.errors import (
    CancelledError,
    DiskFullError,
    DownloadError,
    WeightsError,
)
from sakuga.models.weights import (
    ensure_weights,
    weights_path,
)
from sakuga.settings import Settings
from tests.media.disks import SmallDisk, small_disk
from tests.models import weights_server as servers
from tests.models.weights_server import (
    DATA,
    HERE,
    STALL,
    Answer,
    WeightsServer,
    card_of,
    digest,
    files,
    leave,
    server,
    settings,
)

pytestmark = pytest.mark.slow

__all__ = ["server", "settings", "small_disk"]

AT_ONCE = 3.0
"""Seconds in which a cancelled download ends; far below the time a stalled server would hold it."""


def test_weights_are_downloaded_once_with_progress(settings: Settings, server: WeightsServer) -> None:
    told: list[tuple[str, int, int]] = []
    card = card_of(server.address)

    def hear(*what: object) -> None:
        told.append(what)  # type: ignore[arg-type]

    (path,) = ensure_weights(card, settings, hear)
    assert path == settings.models_root / "net.pth"
    assert path.read_bytes() == DATA
    assert files(settings) == HERE
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1] == ("net.pth", len(DATA), len(DATA))
    told.clear()
    assert ensure_weights(card, settings, hear) == (path,)
    assert told == []
    assert len(server.paths) == 1


@pytest.mark.parametrize("answer", [servers.whole, servers.unsaid, servers.ranged])
@pytest.mark.parametrize("size", [len(DATA), None])
def test_a_size_that_the_server_or_the_card_does_not_say_does_no_harm(
    settings: Settings, server: WeightsServer, answer: Answer, size: int | None
) -> None:
    server.answer = answer
    (path,) = ensure_weights(card_of(server.address, size=size), settings)
    assert path.read_bytes() == DATA


def test_an_interrupted_download_goes_on_from_what_is_there(
    settings: Settings, server: WeightsServer
) -> None:
    leave(settings, DATA[:300_000])
    (path,) = ensure_weights(card_of(server.address), settings)
    assert path.read_bytes() == DATA
    assert server.ranges == ["bytes=300000-"]
    assert files(settings) == HERE


@pytest.mark.parametrize("answer", [servers.whole, servers.other_range])
def test_a_server_that_does_not_keep_to_ranges_gives_the_whole_file(
    settings: Settings, server: WeightsServer, answer: Answer
) -> None:
    server.answer = answer
    leave(settings, DATA[:300_000])
    (path,) = ensure_weights(card_of(server.address), settings)
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("begun", [b"x" * 1000, b"x" * len(DATA), b"x" * (len(DATA) + 5), DATA])
@pytest.mark.parametrize("size", [len(DATA), None])
def test_what_is_left_of_another_version_is_thrown_away(
    settings: Settings, server: WeightsServer, begun: bytes, size: int | None
) -> None:
    leave(settings, begun)
    (path,) = ensure_weights(card_of(server.address, size=size), settings)
    assert path.read_bytes() == DATA
    assert len(server.paths) <= 3
    assert files(settings) == HERE


def test_a_connection_that_is_cut_again_and_again_does_not_stop_a_download(
    settings: Settings, server: WeightsServer
) -> None:
    server.cut = 150_000
    (path,) = ensure_weights(card_of(server.address), settings)
    assert path.read_bytes() == DATA
    assert server.ranges == [None, "bytes=150000-", "bytes=300000-"]


def test_a_server_that_never_gives_the_rest_is_given_up_and_what_came_is_kept(
    settings: Settings, server: WeightsServer
) -> None:
    server.answer, server.cut = servers.whole, 100_000
    with pytest.raises(DownloadError, match=r"100000 of 400000 bytes"):
        ensure_weights(card_of(server.address), settings)
    assert files(settings) == {"net.pth.part"}


@pytest.mark.parametrize(
    ("answer", "reason", "requests"),
    [
        (servers.error(404), "404 Not Found", 1),
        (servers.error(403), "403 Forbidden", 1),
        pytest.param(servers.error(500), "500 Internal Server Error", 3, marks=pytest.mark.slow),
        (servers.error(503), "503 Service Unavailable", 3),
        (servers.silent, f"no byte came for {STALL:g} s", 3),
        (servers.stalled, f"no byte came for {STALL:g} s", 4),
        (servers.redirect("ftp://127.0.0.1/net.pth"), "not safe", 1),
        (servers.redirect("file:///etc/passwd"), "302 Found", 1),
    ],
)
def test_a_download_that_fails_says_where_and_why_and_what_to_do(
    settings: Settings, server: WeightsServer, answer: Answer, reason: str, requests: int
) -> None:
    server.answer = answer
    with pytest.raises(DownloadError) as refused:
        ensure_weights(card_of(server.address), settings)
    assert reason in str(refused.value)
    assert server.address in str(refused.value)
    assert "SAKUGA_MODEL_MIRROR" in str(refused.value)
    assert len(server.paths) == requests
    assert not weights_path(card_of("").weights[0], settings).exists()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/net.pth",
        pytest.param("http://no-such-host.invalid/net.pth", marks=pytest.mark.slow),
    ],
)
def test_an_address_that_cannot_be_reached_is_named(settings: Settings, url: str) -> None:
    with pytest.raises(DownloadError) as refused:
        ensure_weights(card_of(url), settings)
    assert url in str(refused.value)
    assert files(settings) == set()


def test_a_passing_failure_is_tried_again(settings: Settings, server: WeightsServer) -> None:
    def busy_once(handler: servers.Handler, running: WeightsServer) -> None:
        (servers.error(503) if len(running.paths) == 1 else servers.ranged)(handler, running)

    server.answer = busy_once
    (path,) = ensure_weights(card_of(server.address), settings)
    assert path.read_bytes() == DATA


def test_a_redirect_is_followed(settings: Settings, server: WeightsServer) -> None:
    server.answer = servers.redirect("/elsewhere/net.pth")
    (path,) = ensure_weights(card_of(f"{server.address}/net.pth"), settings)
    assert path.read_bytes() == DATA
    assert server.paths == ["/net.pth", "/elsewhere/net.pth"]


def test_wrong_bytes_are_refused_by_both_digests_and_nothing_is_kept(
    settings: Settings, server: WeightsServer
) -> None:
    server.data = bytes(len(DATA))
    with pytest.raises(WeightsError) as refused:
        ensure_weights(card_of(server.address), settings)
    for word in ("net.pth", digest(DATA), digest(server.data), server.address):
        assert word in str(refused.value)
    assert files(settings) == set()
    assert len(server.paths) == 1


@pytest.mark.parametrize(
    "answer", [servers.endless, servers.length(len(DATA) + 1), servers.length(len(DATA) - 1)]
)
@pytest.mark.parametrize("begun", [b"", DATA[:1000]])
def test_a_file_of_another_length_is_refused_before_it_fills_the_disk(
    settings: Settings, server: WeightsServer, answer: Answer, begun: bytes
) -> None:
    server.answer = answer
    leave(settings, begun)
    with pytest.raises(WeightsError, match="bytes"):
        ensure_weights(card_of(server.address), settings)
    assert files(settings) == set()


@pytest.mark.parametrize("answer", [servers.stalled, servers.ranged])
def test_a_cancelled_download_ends_at_once_and_can_go_on(
    settings: Settings, server: WeightsServer, answer: Answer
) -> None:
    server.answer, server.pause = answer, 0.5
    patient = settings.model_copy(update={"download_timeout": 60.0})
    stop = threading.Event()
    timer = threading.Timer(0.3, stop.set)
    timer.start()
    began = time.monotonic()
    with pytest.raises(CancelledError):
        ensure_weights(card_of(server.address), patient, cancelled=stop.is_set)
    assert time.monotonic() - began < AT_ONCE
    assert files(settings) == {"net.pth.part"}
    timer.join()


def test_a_full_disk_is_named_and_left_empty(
    settings: Settings, server: WeightsServer, small_disk: SmallDisk
) -> None:
    disk = small_disk(200)
    small = settings.model_copy(update={"models": disk / "models"})
    with pytest.raises(DiskFullError, match=str(disk)):
        ensure_weights(card_of(server.address), small)
    assert files(small) == set()


def test_a_proxy_of_the_environment_is_used(
    settings: Settings, server: WeightsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.address)
    monkeypatch.delenv("no_proxy", raising=False)
    (path,) = ensure_weights(card_of("http://elsewhere.invalid/net.pth"), settings)
    assert path.read_bytes() == DATA
    assert server.paths == ["http://elsewhere.invalid/net.pth"]
