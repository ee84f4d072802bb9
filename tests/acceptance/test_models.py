"""Jobs with networks: the same pictures however a job is cut, whatever is reused, and in tiles."""

import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")

from sakuga.enhance.chunk import ChunkResult, enhance_chunk
from sakuga.enhance.near import NEAR_GROUP, NEAR_PSNR
from sakuga.enhance.plan import Chunk
from sakuga.enhance.planner import make_plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import OptionError, WeightsError
from sakuga.media.info import MediaInfo
from sakuga.media.packets import PacketIndex
from sakuga.media.probe import probe
from sakuga.media.timing import progressive_track
from sakuga.models.base import ModelChoice
from sakuga.models.engines.choose import candidates, open_engine
from sakuga.models.networks.checkpoint import load_checkpoint
from sakuga.models.neural import NeuralUpscaler
from sakuga.models.registry import unload
from sakuga.settings import Settings
from tests.acceptance.jobs import Made, make_chunks
from tests.acceptance.networks import NETWORKS, compact, write
from tests.acceptance.test_colours import WEIGHTS
from tests.assets import ASSETS
from tests.clips import Rgb, make_clip
from tests.models.states import State, compact_state

pytestmark = pytest.mark.slow

OFFICIAL = ASSETS / "weights" / "realesr-animevideov3.pth"
WAYS = ("torch fp32", "torch bf16", "openvino fp32", "openvino bf16")
UNSTEADY = ("torch fp32",)
"""Ways whose sums depend on the size of the picture that they are made in; see docs/models.md."""

OFF_BY_ONE = 1e-4
"""Share of samples of an unsteady way's result that may be one step off."""

SIZE, FRAMES, RATE = (81, 58), 16, Fraction(8)
TILE = 1300
"""Source pixels at once: several tiles in both directions, even with 18 pixels around each."""

LEAK = 24 << 20
"""Bytes that 40 more chunks may add: allocators keep what they like, a network of ours is a megabyte, its
activations, pictures and graphs are several for each chunk."""

ROUNDING = 0.51
"""Steps of a 10-bit result that rounding and sums in fp32 may be off by."""

Frames = list[NDArray[Any]]


@dataclass(frozen=True)
class Source:
    path: Path
    info: MediaInfo
    packets: PacketIndex

    @classmethod
    def of(cls, path: Path) -> "Source":
        probed = probe(path, Settings().limits)
        return cls(path, probed.info, probed.packets)

    def enhance(
        self, spec: EnhanceSpec, chunk: Chunk, output: Path, on_frame: Callable[[int], None] | None = None
    ) -> ChunkResult:
        settings = Settings()
        track = progressive_track(self.info.video, self.packets)
        plan = make_plan(self.info, self.packets, track, spec, settings.limits)
        return enhance_chunk(
            self.path,
            self.info,
            self.packets,
            plan,
            chunk,
            spec,
            output,
            settings=settings,
            on_frame=on_frame,
        )


def drawn(number: int, width: int, height: int) -> Rgb:
    """A still, textured background, a small thing that moves on twos, and a cut."""
    scene = number >= FRAMES * 3 // 4
    paper = np.random.default_rng(9 + scene).integers(40, 216, (height // 4 + 1, width // 4 + 1, 3), np.uint8)
    image = np.kron(paper, np.ones((4, 4, 1), np.uint8))[:height, :width].copy()
    x = 8 + 3 * (number // 2)
    image[20:29, x : x + 7] = (250, 60, 10)
    return image


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # lossless, so that what stands still is equal
    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    return make_clip(path, frames=FRAMES, size=SIZE, rate=RATE, draw=drawn, codec="ffv1", pix_fmt="yuv420p")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


def spec_of(model: Path, way: str, **more: object) -> EnhanceSpec:
    backend, precision = way.split()
    asked = {"model": str(model), "device": "cpu", "backend": backend, "precision": precision}
    fixed = {"quality": 0, "preset": "ultrafast", "chunk_seconds": 3600, "reuse": "off"}
    return EnhanceSpec.model_validate(fixed | asked | more)


def frames_of(made: Made) -> Frames:
    return [frame.to_ndarray() for frame in made.pictures()]


def assert_same(frames: Frames, wanted: Frames, way: str) -> None:
    """Equal, or, of an unsteady way, one step off in few samples."""
    assert len(frames) == len(wanted) > 0
    off = np.concatenate([np.abs(a.astype(int) - b).ravel() for a, b in zip(frames, wanted, strict=True)])
    assert off.max() <= (way in UNSTEADY)
    assert np.count_nonzero(off) <= OFF_BY_ONE * off.size


def need(way: str) -> None:
    backend, precision = way.split()
    if backend == "openvino":
        pytest.importorskip("openvino")
    choice = ModelChoice.model_validate({"name": "lanczos", "backend": backend, "precision": precision})
    try:
        candidates("cpu", choice.backend, choice.precision)
    except OptionError as error:
        pytest.skip(str(error))


@pytest.fixture(params=[*NETWORKS, "realesr-animevideov3"])
def network(request: pytest.FixtureRequest, weights: Path) -> Path:
    if request.param == "realesr-animevideov3":
        if not OFFICIAL.is_file():
            pytest.skip("the official weights are not here")
        return OFFICIAL
    if request.param.startswith("span") and find_spec("spandrel") is None:
        pytest.skip("spandrel is not installed")
    return write(weights, request.param)


@pytest.mark.parametrize("way", WAYS)
def test_a_job_in_chunks_with_reuse_and_in_tiles_gives_the_pictures_of_one_piece(
    clip: Path, network: Path, tmp_path: Path, way: str
) -> None:
    need(way)
    whole = make_chunks(clip, tmp_path / "whole", spec_of(network, way))
    wanted = frames_of(whole)
    assert len(wanted) == FRAMES
    used = whole.took[0].use
    assert used is not None
    assert (used.backend, used.precision, used.fell_back) == (*way.split(), "")
    assert whole.took[0].computed == FRAMES

    reused = make_chunks(clip, tmp_path / "reused", spec_of(network, way, reuse="exact"))
    assert_same(frames_of(reused), wanted, way)
    assert reused.took[0].reused >= FRAMES // 2 - 1
    assert reused.took[0].refused == 0

    cut = make_chunks(clip, tmp_path / "cut", spec_of(network, way, reuse="exact", chunk_seconds=0.6))
    assert len(cut.chunks) > 2
    assert_same(frames_of(cut), wanted, way)

    loaded = load_checkpoint(network)
    if loaded.radius is None:
        return
    backend, precision = spec_of(network, way).backend, spec_of(network, way).precision
    engine = open_engine(
        loaded, digest="tiled", size=SIZE, device="cpu", precision=precision, backend=backend
    )
    tiles = NeuralUpscaler("tiled", "tiled", engine, loaded, TILE)
    tiled = make_chunks(clip, tmp_path / "tiled", spec_of(network, way), tiles)
    tiles.close()
    assert_same(frames_of(tiled), wanted, way)


def test_near_reuse_keeps_its_bound_its_chunks_and_says_what_it_audited(
    weights: Path, tmp_path: Path
) -> None:
    def faded(number: int, width: int, height: int) -> Rgb:
        grain = np.random.default_rng(number).integers(0, 2, (height, width, 1))
        return np.clip(drawn(number % 8, width, height).astype(int) + grain, 0, 255).astype(np.uint8)

    noisy = make_clip(
        tmp_path / "noisy.mkv", frames=NEAR_GROUP + 20, size=SIZE, rate=RATE, draw=faded, codec="ffv1"
    )
    model, way = write(weights, "compact-x2.safetensors"), "torch bf16"
    wanted = frames_of(make_chunks(noisy, tmp_path / "off", spec_of(model, way)))
    whole = make_chunks(noisy, tmp_path / "near", spec_of(model, way, reuse="near"))
    cut = make_chunks(noisy, tmp_path / "cut", spec_of(model, way, reuse="near", chunk_seconds=1))
    near = frames_of(whole)
    assert len(cut.chunks) == 2
    assert_same(frames_of(cut), near, way)
    took = whole.took[0]
    assert took.partial + took.reused > took.computed
    assert took.audits >= 2
    assert took.worst_audit is not None
    assert took.refused == 0
    assert took.worst_audit >= NEAR_PSNR
    assert min(luma_psnr(a, b) for a, b in zip(near, wanted, strict=True)) >= NEAR_PSNR


def luma_psnr(frame: NDArray[Any], other: NDArray[Any]) -> float:
    rows = 2 * SIZE[1]
    error = np.mean((frame[:rows].astype(float) - other[:rows]) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


LAYOUTS = ("yuv420p", "yuv422p", "yuv444p", "gray", "yuv420p10le", "yuv422p10le", "yuv444p10le")
SIZES = ((1, 1), (1, 9), (33, 1), (2, 2), (7, 5), (19, 33))


@pytest.mark.parametrize("pix_fmt", LAYOUTS)
@pytest.mark.parametrize("name", ["compact-x4.pth", "rrdb-x2.pth"])
def test_every_layout_and_size_comes_out_at_its_size(
    weights: Path, tmp_path: Path, name: str, pix_fmt: str
) -> None:
    model = write(weights, name)
    for width, height in SIZES:
        clip = make_clip(
            tmp_path / f"{width}x{height}.mkv",
            frames=2,
            size=(width, height),
            codec="ffv1",
            pix_fmt=pix_fmt,
            draw=flat,
            options={"level": "1"},
        )
        made = make_chunks(clip, tmp_path / f"{width}-{height}", spec_of(model, "torch fp32"))
        pictures = list(made.pictures())
        assert len(pictures) == 2
        assert {(picture.width, picture.height) for picture in pictures} == {(2 * width, 2 * height)}


def flat(number: int, width: int, height: int) -> Rgb:
    return np.full((height, width, 3), (200, 90 + number, 40), np.uint8)


def test_the_luma_of_a_job_is_that_of_the_networks_formula(weights: Path, tmp_path: Path) -> None:
    state = compact_state(8, 2, 2, seed=5)
    # what is added to the four pixels of each source pixel adds up to nothing: mean colours stay the source's
    last = state["body.6.weight"].reshape(3, 4, 8, 3, 3)
    state["body.6.weight"] = ((last - last.mean(1, keepdim=True)) * 0.1).flatten(0, 1)
    state["body.6.bias"] = state["body.6.bias"] * 0
    model = write(weights, "formula.pth", state)
    clip = make_clip(
        tmp_path / "clip.mkv", frames=1, size=(23, 17), codec="ffv1", pix_fmt="yuv444p", draw=drawn
    )
    made = make_chunks(clip, tmp_path / "made", spec_of(model, "torch fp32", bit_depth="10"))
    (result,) = made.pictures()
    luma = np.frombuffer(memoryview(result.planes[0]), np.uint16)
    luma = luma.reshape(result.height, -1)[:, : result.width]

    with av.open(str(clip)) as container:
        planes = next(container.decode(video=0)).to_ndarray().astype(np.float64)
    colour = made.info.video.colour
    assert not colour.full_range
    kr, kb = WEIGHTS.get(colour.matrix, WEIGHTS["bt709"])
    y, blue, red = (planes[0] - 16) / 219, (planes[1] - 128) / 224, (planes[2] - 128) / 224
    r, b = y + 2 * (1 - kr) * red, y + 2 * (1 - kb) * blue
    rgb = np.clip(np.stack([r, (y - kr * r - kb * b) / (1 - kr - kb), b]), 0, 1)
    large = np.clip(formula(state, rgb), 0, 1)
    wanted = 4 * (16 + 219 * (kr * large[0] + (1 - kr - kb) * large[1] + kb * large[2]))
    # the network's part counts
    assert np.std(wanted - np.repeat(np.repeat(4 * planes[0], 2, 0), 2, 1)) > 5
    assert np.abs(luma - wanted).max() < ROUNDING


def formula(state: State, rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """SRVGGNetCompact with two inner convolutions at twice the size, sum by sum."""
    height, width = rgb.shape[1:]
    values = rgb
    for layer in (0, 2, 4, 6):
        weight, bias = (state[f"body.{layer}.{part}"].double().numpy() for part in ("weight", "bias"))
        padded = np.pad(values, ((0, 0), (1, 1), (1, 1)))
        values = bias[:, None, None] + sum(
            np.einsum("oi,ihw->ohw", weight[:, :, dy, dx], padded[:, dy : dy + height, dx : dx + width])
            for dy in range(3)
            for dx in range(3)
        )
        if layer < 6:
            slope = state[f"body.{layer + 1}.weight"].double().numpy()[:, None, None]
            values = np.where(values > 0, values, slope * values)
    shuffled = values.reshape(3, 2, 2, height, width).transpose(0, 3, 1, 4, 2)
    return shuffled.reshape(3, 2 * height, 2 * width) + rgb.repeat(2, 1).repeat(2, 2)


def test_all_chunks_of_a_job_run_one_way_and_so_do_those_after_a_restart(
    weights: Path, clip: Path, tmp_path: Path
) -> None:
    model = write(weights, "compact-x4.pth")
    spec = spec_of(model, "auto auto", chunk_seconds=0.6)
    first = make_chunks(clip, tmp_path / "first", spec)
    assert len(first.took) > 2
    assert len({took.use for took in first.took}) == 1
    unload()  # what a new process begins with: nothing but the file of choices
    again = make_chunks(clip, tmp_path / "again", spec)
    assert {took.use for took in again.took} == {took.use for took in first.took}
    assert again.samples() == first.samples()


def test_a_file_that_is_replaced_is_another_model_and_the_first_one_again_when_it_is_back(
    clip: Path, tmp_path: Path
) -> None:
    def made(seed: int, folder: str) -> list[bytes]:
        model = write(tmp_path, "mine.safetensors", compact(seed))
        return make_chunks(clip, tmp_path / folder, spec_of(model, "torch bf16")).samples()

    first, second, third = made(1, "first"), made(2, "second"), made(1, "third")
    assert first != second
    assert third == first


def test_a_chunk_outlives_its_file_of_weights_and_the_next_one_is_refused(clip: Path, tmp_path: Path) -> None:
    model = write(tmp_path, "mine.pth", compact(3))
    spec = spec_of(model, "torch bf16", chunk_seconds=0.6)
    wanted = make_chunks(clip, tmp_path / "whole", spec)
    source = Source.of(clip)
    unload()
    output = tmp_path / "out"
    output.mkdir()

    def remove(_done: int) -> None:
        model.unlink(missing_ok=True)

    source.enhance(spec, wanted.plan.chunks[0], output / "0.mp4", remove)
    assert not model.exists()
    assert (
        Made(wanted.info, wanted.plan, (output / "0.mp4",), ()).samples()
        == Made(wanted.info, wanted.plan, wanted.chunks[:1], ()).samples()
    )
    with pytest.raises(WeightsError, match=r"mine\.pth.* cannot be read"):
        source.enhance(spec, wanted.plan.chunks[1], output / "1.mp4")
    assert [path.name for path in output.iterdir()] == ["0.mp4"]


@pytest.mark.parametrize("way", ["torch bf16", "openvino bf16"])
def test_two_workers_give_the_chunks_of_one(weights: Path, clip: Path, tmp_path: Path, way: str) -> None:
    need(way)
    spec = spec_of(write(weights, "compact-x4.pth"), way, reuse="exact", chunk_seconds=0.4)
    wanted = make_chunks(clip, tmp_path / "one", spec)
    source, output = Source.of(clip), tmp_path / "two"
    output.mkdir()
    unload()
    with ThreadPoolExecutor(2) as workers:
        paths = [output / f"{chunk.index}.mp4" for chunk in wanted.plan.chunks]
        made = [
            workers.submit(source.enhance, spec, chunk, path)
            for chunk, path in zip(wanted.plan.chunks, paths, strict=True)
        ]
        for future in made:
            future.result(timeout=60)
    assert Made(wanted.info, wanted.plan, tuple(paths), ()).samples() == wanted.samples()


def test_chunk_after_chunk_takes_no_more_memory(weights: Path, clip: Path, tmp_path: Path) -> None:
    spec = spec_of(write(weights, "compact-x4.pth"), "torch bf16", reuse="exact", chunk_seconds=0.6)
    source, plan = Source.of(clip), make_chunks(clip, tmp_path / "plan", spec).plan
    process, taken = psutil.Process(), []
    for number in range(50):
        source.enhance(spec, plan.chunks[number % 2], tmp_path / "chunk.mp4")
        if number in (9, 49):
            gc.collect()
            taken.append(process.memory_info().rss)
    assert taken[1] - taken[0] < LEAK
