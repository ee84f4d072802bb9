from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client

from app.already import finished_before
from blocks import S3Store
from flows.enhance import Outcome, enhance
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import CancelledError, DamagedMediaError, OptionError, UnreadableMediaError
from sakuga.media.ref import MediaRef
from sakuga.models.base import AUTO
from sakuga.quality.report import JobReport
from tasks.channel import Channel, open_channel
from tasks.destination import choose_destination
from tests.blocks.outages import new_bucket
from tests.clips import decoded_lumas, decoded_times, make_clip, read_number
from tests.models.speeds import FAST, SLOW, give_speed

pytestmark = pytest.mark.usefixtures("prefect_server", "sakuga_home")

FRAMES = 24
SPEC = EnhanceSpec(model="lanczos", chunk_seconds=0.25, preset="ultrafast")
CHUNKS = 4
"""Of a second in quarters, with a keyframe every six frames."""


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    return make_clip(
        folder / "clip: '1' %d.mp4",
        frames=FRAMES,
        audio_seconds=1,
        options={"g": "6", "sc_threshold": "0", "bf": "0"},
    )


@pytest.fixture
def bucket(s3_endpoint: str) -> str:
    new_bucket(s3_endpoint, "enhanced").save("media", overwrite=True)
    return "sakuga-s3-store/media"


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _scratch(home: Path) -> list[str]:
    return _names(home / "scratch")


def test_without_a_model_one_of_our_own_is_taken_and_the_report_says_why(clip: Path) -> None:
    spec = SPEC.model_copy(update={"model": AUTO})
    outcome = enhance(str(clip), spec)
    report = JobReport.model_validate_json(Path(outcome.report).read_bytes())
    assert "model" not in report.asked
    assert report.versions["model"].startswith("drawn-")
    assert any("taken for drawn" in sentence for sentence in report.done)
    again = enhance(str(clip), spec, overwrite=True)
    assert again.cached_chunks == again.chunks
    place = choose_destination(clip, clip.name, "mp4", None, in_store=False, overwrite=True)
    assert finished_before(place, clip, spec) is not None
    assert finished_before(place, clip, SPEC) is None
    named = spec.model_copy(update={"model": report.versions["model"].rsplit("-", 2)[0]})
    assert enhance(str(clip), named, overwrite=True).cached_chunks == again.chunks


def test_a_job_goes_on_with_the_model_that_it_was_begun_with_on_another_machine(clip: Path) -> None:
    spec = SPEC.model_copy(update={"model": AUTO})
    for speed, size in ((FAST, "m"), (SLOW, "m")):
        for name in ("drawn-m", "drawn-s"):
            give_speed(name, speed)
        outcome = enhance(str(clip), spec, overwrite=True)
        report = JobReport.model_validate_json(Path(outcome.report).read_bytes())
        assert report.versions["model"].startswith(f"drawn-{size}")
    assert outcome.cached_chunks == outcome.chunks
    assert any("finished chunks of this result" in sentence for sentence in report.done)
    fresh = enhance(str(clip), spec.model_copy(update={"quality": 30}), overwrite=True)
    report = JobReport.model_validate_json(Path(fresh.report).read_bytes())
    assert report.versions["model"].startswith("drawn-s")


def test_a_job_leaves_the_result_its_report_and_its_pictures_beside_the_source(
    clip: Path, sakuga_home: Path
) -> None:
    outcome = enhance(str(clip), SPEC)
    stem = "clip: '1' %d.sakuga"
    assert _names(clip.parent) == sorted(
        [
            clip.name,
            f"{stem}.mp4",
            f"{stem}.report.json",
            f"{stem}.report.md",
            f"{stem}.poster.jpg",
            f"{stem}.contact-sheet.png",
            f"{stem}.before-after.png",
        ]
    )
    assert [read_number(luma) for luma in decoded_lumas(Path(outcome.result))] == list(range(FRAMES))
    assert decoded_times(Path(outcome.result)) == [Fraction(n, 24) for n in range(FRAMES)]
    report = JobReport.model_validate_json(Path(outcome.report).read_bytes())
    assert report.passed
    assert report.work.chunks == CHUNKS
    assert {stage.name for stage in report.stages} >= {"read", "plan", "enhance", "assemble", "check"}
    assert _scratch(sakuga_home) == []


def test_a_second_run_computes_nothing_even_with_another_container_and_sound(
    clip: Path, tmp_path: Path
) -> None:
    enhance(str(clip), SPEC)
    other = SPEC.model_copy(update={"audio": "none", "container": "mkv"})
    again = enhance(str(clip), other, output=str(tmp_path / "out.mkv"))
    assert again.cached_chunks == again.chunks == CHUNKS
    assert len(decoded_lumas(tmp_path / "out.mkv")) == FRAMES


def test_a_kept_chunk_that_is_gone_or_damaged_is_computed_again(
    clip: Path, sakuga_home: Path, tmp_path: Path
) -> None:
    enhance(str(clip), SPEC)
    chunks = sorted((sakuga_home / "store" / "chunks").rglob("*.mp4"))
    assert len(chunks) == CHUNKS
    chunks[0].unlink()
    damaged = bytearray(chunks[1].read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    chunks[1].write_bytes(damaged)
    chunks[2].with_suffix(".json").write_text("{}")
    again = enhance(str(clip), SPEC, output=str(tmp_path / "again.mp4"))
    assert again.cached_chunks == CHUNKS - 3
    assert [read_number(luma) for luma in decoded_lumas(tmp_path / "again.mp4")] == list(range(FRAMES))


def test_a_result_that_is_there_is_not_replaced_unless_asked(clip: Path) -> None:
    outcome = enhance(str(clip), SPEC)
    before = Path(outcome.result).stat().st_mtime_ns
    with pytest.raises(OptionError, match="already exists"):
        enhance(str(clip), SPEC)
    assert Path(outcome.result).stat().st_mtime_ns == before
    enhance(str(clip), SPEC, overwrite=True)
    assert Path(outcome.result).stat().st_mtime_ns > before


def test_a_source_that_is_no_video_is_refused(tmp_path: Path, sakuga_home: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("not a video " * 100)
    with pytest.raises(UnreadableMediaError):
        enhance(str(text), SPEC)
    with pytest.raises(UnreadableMediaError, match="cannot be read"):
        enhance(str(tmp_path / "missing.mp4"), SPEC)
    assert _names(tmp_path) == sorted(["text.mp4", "home"])
    assert _scratch(sakuga_home) == []


def _stop_after_chunks(count: int) -> tuple[Channel, list[dict[str, Any]]]:
    chunks: list[dict[str, Any]] = []

    def listen(kind: str, facts: dict[str, Any]) -> None:
        if kind == "chunk":
            chunks.append(facts)
            if len(chunks) == count:
                channel.cancel()

    channel = Channel(listen)
    return channel, chunks


def test_a_stopped_job_leaves_nothing_but_its_finished_chunks(clip: Path, sakuga_home: Path) -> None:
    channel, chunks = _stop_after_chunks(2)
    with open_channel(channel), pytest.raises(CancelledError):
        enhance(str(clip), SPEC)
    assert _names(clip.parent) == [clip.name]
    assert _scratch(sakuga_home) == []
    assert len(chunks) < CHUNKS
    assert enhance(str(clip), SPEC).cached_chunks == len(chunks)


def test_a_damaged_source_fails_once_and_keeps_what_could_be_done(clip: Path, sakuga_home: Path) -> None:
    content = bytearray(clip.read_bytes())
    import av

    with av.open(str(clip)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size and packet.pts is not None]
        spoilt = [packet for packet in packets if (packet.pts or 0) * packet.time_base >= Fraction(3, 4)]
        for packet in spoilt:
            assert packet.pos is not None
            for at in range(packet.pos + 4, packet.pos + packet.size):
                content[at] ^= 0xA5
    clip.write_bytes(content)
    with pytest.raises(DamagedMediaError):
        enhance(str(clip), SPEC.model_copy(update={"deinterlace": "off"}))
    assert _names(clip.parent) == [clip.name]
    assert _scratch(sakuga_home) == []
    assert len(list((sakuga_home / "store" / "chunks").rglob("*.json"))) >= 1


def test_everything_can_come_from_and_go_to_an_s3_store(clip: Path, bucket: str, tmp_path: Path) -> None:
    store = S3Store.load("media")
    assert isinstance(store, S3Store)
    ref = store.put(clip, "sources/clip one.mp4")
    first = enhance(ref, SPEC, store=bucket)
    assert first.result == f"s3://enhanced/results/{ref.sha256[:12]}/clip one.sakuga.mp4"
    store.fetch(first.ref, tmp_path / "back.mp4")
    assert [read_number(luma) for luma in decoded_lumas(tmp_path / "back.mp4")] == list(range(FRAMES))
    assert {file.key.split("/")[0] for file in store.files()} == {"sources", "chunks", "results"}
    assert enhance(ref, SPEC, store=bucket, overwrite=True).cached_chunks == CHUNKS


def test_a_store_that_does_not_exist_is_a_clear_error() -> None:
    gone = MediaRef(uri="sources/gone.mp4", sha256="0" * 64, size=1)
    with pytest.raises(OptionError, match="no block"):
        enhance(gone, SPEC, store="sakuga-s3-store/nowhere")


def test_the_prefect_page_of_a_job_shows_its_report_and_where_the_result_is(clip: Path) -> None:
    outcome = enhance(str(clip), SPEC)
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(limit=200)
    shown = [artifact.data for artifact in artifacts if isinstance(artifact.data, str)]
    assert Path(outcome.report).with_suffix(".md").read_text() in shown
    assert sum("clip" in data and "file://" in data for data in shown) >= 4
    assert outcome.result in [artifact.description for artifact in artifacts]
    assert 100 in [artifact.data for artifact in artifacts if artifact.type == "progress"]


def test_the_frames_are_exported_when_asked(clip: Path) -> None:
    enhance(str(clip), SPEC.model_copy(update={"frames": True}))
    frames = clip.parent / "clip: '1' %d.sakuga.frames"
    assert len(_names(frames)) == FRAMES


def _run_together(first: Callable[[], Outcome], second: Callable[[], Outcome]) -> list[Outcome | Exception]:
    import threading

    outcomes: list[Outcome | Exception] = []

    def run(job: Callable[[], Outcome]) -> None:
        try:
            outcomes.append(job())
        except Exception as error:
            outcomes.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_two_runs_of_one_job_at_once_do_not_spoil_each_other(clip: Path, sakuga_home: Path) -> None:
    outcomes = _run_together(
        lambda: enhance(str(clip), SPEC, overwrite=True), lambda: enhance(str(clip), SPEC, overwrite=True)
    )
    results = [outcome for outcome in outcomes if isinstance(outcome, Outcome)]
    assert len(results) == 2
    assert [read_number(luma) for luma in decoded_lumas(Path(results[0].result))] == list(range(FRAMES))
    assert _scratch(sakuga_home) == []
