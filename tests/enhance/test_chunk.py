"""Chunks of real files: equal frames however a job is cut, whole files or none, and nothing left running."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from sakuga.enhance.ahead import RunAhead
from sakuga.enhance.chunk import ChunkResult, enhance_chunk
from sakuga.enhance.plan import Chunk, Plan
from sakuga.enhance.planner import make_plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.enhance.tally import STAGES
from sakuga.errors import CancelledError, ContractError, DamagedMediaError
from sakuga.media.info import MediaInfo
from sakuga.media.packets import PacketIndex
from sakuga.media.probe import probe
from sakuga.media.timing import progressive_track
from sakuga.settings import Settings
from tests.clips import Rgb, decoded_lumas, decoded_times, make_clip, numbered, read_number

SETTINGS = Settings()
SECONDS = 10
RATE = 6
STOP_SECONDS = 2.0
"""A stop must be felt at once by a person; a frame of these clips takes milliseconds."""


@dataclass(frozen=True)
class Source:
    path: Path
    info: MediaInfo
    packets: PacketIndex

    def plan(self, spec: EnhanceSpec) -> Plan:
        track = progressive_track(self.info.video, self.packets)
        return make_plan(self.info, self.packets, track, spec, SETTINGS.limits)

    def enhance(self, spec: EnhanceSpec, plan: Plan, chunk: Chunk, output: Path, **more: Any) -> ChunkResult:  # noqa: ANN401 - passed on
        return enhance_chunk(
            self.path, self.info, self.packets, plan, chunk, spec, output, settings=SETTINGS, **more
        )


def held(number: int, width: int, height: int) -> Rgb:
    """Drawn on threes, as animation is."""
    return numbered(number // 3, width, height)


def source_at(path: Path, **clip: Any) -> Source:  # noqa: ANN401 - arguments of a clip
    make_clip(path, **clip)
    probed = probe(path, SETTINGS.limits)
    return Source(path, probed.info, probed.packets)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return source_at(
        tmp_path_factory.mktemp("source") / "clip.mp4",
        frames=SECONDS * RATE,
        rate=Fraction(RATE),
        options={"g": "13", "crf": "18"},
    )


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def lossless(**options: Any) -> EnhanceSpec:  # noqa: ANN401 - any option
    return EnhanceSpec(**({"quality": 0, "preset": "ultrafast", "model": "acnet-hdn0"} | options))


def frames_of(path: Path) -> list[NDArray[np.uint8]]:
    """All planes of all frames."""
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray()) for frame in container.decode(video=0)]


def job_frames(source: Source, spec: EnhanceSpec, folder: Path) -> list[NDArray[np.uint8]]:
    plan = source.plan(spec)
    frames = []
    for chunk in plan.chunks:
        output = folder / f"{spec.chunk_seconds}-{chunk.index}.mp4"
        source.enhance(spec, plan, chunk, output)
        frames += frames_of(output)
    assert len(frames) == len(plan.times)
    return frames


@pytest.mark.parametrize(
    ("fps", "interpolation"),
    [
        (None, "flow"),
        *((fps, method) for fps in ("4", "15000/1001") for method in ("nearest", "blend", "flow")),
    ],
)
def test_chunks_of_any_length_give_the_frames_of_one_chunk(
    source: Source, tmp_path: Path, fps: str | None, interpolation: str
) -> None:
    whole = job_frames(source, lossless(fps=fps, interpolation=interpolation, chunk_seconds=100), tmp_path)
    for length in (1, 2, 7):
        spec = lossless(fps=fps, interpolation=interpolation, chunk_seconds=length)
        assert len(source.plan(spec).chunks) > 1
        parts = job_frames(source, spec, tmp_path)
        assert all(np.array_equal(a, b) for a, b in zip(whole, parts, strict=True))


def test_reuse_changes_no_pixel_and_computes_held_drawings_once(tmp_path: Path) -> None:
    # lossless, so that a drawing that is held is the same samples
    drawn = source_at(tmp_path / "held.mkv", frames=24, draw=held, options={"qp": "0"})
    results = {}
    for reuse in ("exact", "off"):
        spec = lossless(reuse=reuse)
        plan = drawn.plan(spec)
        result = drawn.enhance(spec, plan, plan.chunks[0], tmp_path / f"{reuse}.mp4")
        results[reuse] = result, frames_of(tmp_path / f"{reuse}.mp4")
    assert all(np.array_equal(a, b) for a, b in zip(results["exact"][1], results["off"][1], strict=True))
    assert (results["exact"][0].computed, results["exact"][0].reused) == (8, 16)
    assert (results["off"][0].computed, results["off"][0].reused) == (24, 0)


def test_every_frame_is_there_at_its_time(source: Source, tmp_path: Path) -> None:
    spec = lossless(chunk_seconds=2)
    plan = source.plan(spec)
    chunk = plan.chunks[1]
    result = source.enhance(spec, plan, chunk, tmp_path / "chunk.mp4")
    assert result.frames == chunk.frames
    lumas, times = decoded_lumas(tmp_path / "chunk.mp4"), decoded_times(tmp_path / "chunk.mp4")
    assert [read_number(luma) for luma in lumas] == list(range(chunk.first, chunk.end))
    assert times == [Fraction(k, RATE) for k in range(chunk.frames)]
    assert lumas[0].shape == (128, 192)


def test_frames_that_are_dropped_are_not_upscaled(source: Source, tmp_path: Path) -> None:
    spec = lossless(fps="2", interpolation="nearest", chunk_seconds=100)
    plan = source.plan(spec)
    result = source.enhance(spec, plan, plan.chunks[0], tmp_path / "chunk.mp4")
    assert result.computed + result.reused == result.frames == SECONDS * 2


def test_it_says_how_many_frames_are_done_and_where_time_went(source: Source, tmp_path: Path) -> None:
    spec = lossless(chunk_seconds=2)
    plan = source.plan(spec)
    seen: list[int] = []
    result = source.enhance(spec, plan, plan.chunks[0], tmp_path / "chunk.mp4", on_frame=seen.append)
    assert seen == list(range(1, plan.chunks[0].frames + 1))
    assert set(result.seconds) == set(STAGES)
    assert all(result.seconds[stage] > 0 for stage in STAGES)


def test_a_cancelled_chunk_stops_at_once_and_leaves_no_file(source: Source, tmp_path: Path) -> None:
    spec = lossless(chunk_seconds=100)
    plan = source.plan(spec)
    done: list[int] = []
    start = time.monotonic()
    with pytest.raises(CancelledError):
        source.enhance(
            spec,
            plan,
            plan.chunks[0],
            tmp_path / "chunk.mp4",
            on_frame=done.append,
            cancelled=lambda: len(done) >= 3,
        )
    assert time.monotonic() - start < STOP_SECONDS
    assert len(done) == 3
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_source_fails_the_chunk_and_leaves_no_file(source: Source, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    data = bytearray(source.path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = bytes(4000)
    broken.write_bytes(data)
    spec = lossless(chunk_seconds=100)
    plan = source.plan(spec)
    output = tmp_path / "out"
    output.mkdir()
    with pytest.raises(DamagedMediaError):
        Source(broken, source.info, source.packets).enhance(spec, plan, plan.chunks[0], output / "chunk.mp4")
    assert list(output.iterdir()) == []


def test_an_error_of_the_caller_stops_every_stage(source: Source, tmp_path: Path) -> None:
    spec = lossless(chunk_seconds=100)
    plan = source.plan(spec)

    def fail(_done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        source.enhance(spec, plan, plan.chunks[0], tmp_path / "chunk.mp4", on_frame=fail)
    assert list(tmp_path.iterdir()) == []


def test_a_chunk_that_needs_film_it_does_not_read_is_refused(source: Source, tmp_path: Path) -> None:
    spec = lossless(chunk_seconds=100)
    plan = source.plan(spec)
    short = plan.chunks[0].model_copy(update={"film_end": plan.chunks[0].film_end - 1})
    with pytest.raises(ContractError, match="did not come"):
        source.enhance(spec, plan, short, tmp_path / "chunk.mp4")
    assert list(tmp_path.iterdir()) == []


def test_running_ahead_is_bounded() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with RunAhead((number for number in numbers()), 3) as ahead:
        assert next(ahead) == 0
        deadline = time.monotonic() + STOP_SECONDS
        while len(made) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        # one taken, three waiting, one in the maker's hand
        assert len(made) == 5


def test_an_error_comes_after_the_items_before_it_and_once() -> None:
    def numbers() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("no third")

    with RunAhead((number for number in numbers()), 5) as ahead:
        assert [next(ahead), next(ahead)] == [1, 2]
        with pytest.raises(ValueError, match="no third"):
            next(ahead)
        assert list(ahead) == []
