"""The interpolation `rife`: what it mixes, what it holds, and that a picture depends on its pair only."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from numpy.typing import NDArray

from sakuga.enhance.chunk import enhance_chunk
from sakuga.enhance.interpolate import FilmFrame, Mixer, blend, is_held
from sakuga.enhance.plan import WEIGHTS, Plan
from sakuga.enhance.planner import make_plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import DownloadError, MissingToolError, WeightsError
from sakuga.media.info import MediaInfo, PixelLayout
from sakuga.media.packets import PacketIndex
from sakuga.media.picture import Picture, Plane
from sakuga.media.probe import probe
from sakuga.media.timing import progressive_track
from sakuga.models.between import check_rife, open_rife, rife_digest
from sakuga.models.cards import RIFE
from sakuga.models.rife import Interpolator, Rife
from sakuga.settings import Settings
from tests.clips import Rgb, decoded_lumas, make_clip, numbered
from tests.enhance.test_chunk import frames_of
from tests.enhance.test_interpolate import YUV420, frame, scene, window
from tests.media.pictures import LIMITED, noise
from tests.models import flownets

HALF = WEIGHTS // 2
STEP = 1
"""Codes that a cubic sampling at whole places and fp32 sums may be off by, before rounding the other way."""

SIZE = (96, 64)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other cost small pictures more than they give."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def random(folder: Path) -> Rife:
    return Rife(flownets.save_flownet(folder / "random.pkl", flownets.random_state(7)), "cpu")


def constant(folder: Path, to_left: tuple[float, float], to_right: tuple[float, float]) -> Rife:
    """A network that sees the same motion everywhere, and takes half of each picture."""
    return Rife(flownets.save_flownet(folder / "one.pkl", flownets.constant_state(to_left, to_right)), "cpu")


def mixer(rife: Rife) -> Mixer:
    return Mixer("rife", Interpolator(rife, LIMITED))


def moving(count: int, seed: int = 4, dx: int = 6, size: tuple[int, int] = SIZE) -> list[FilmFrame]:
    """A camera that moves over a drawing, `dx` source pixels a frame."""
    image, (width, height) = scene(seed), size
    return [
        frame(image[60 : 60 + height, 60 + dx * k : 60 + dx * k + width], number)
        for number, k in enumerate(range(count))
    ]


def worst(a: Plane, b: Plane) -> int:
    return int(np.abs(a.astype(int) - b).max())


def test_without_motion_the_result_is_the_blend_of_both(folder: Path) -> None:
    a, b = moving(2)
    mixed = mixer(constant(folder, (0, 0), (0, 0))).mix(a, b, HALF)
    plain = blend(a.result, b.result, HALF)
    assert all(worst(p, q) <= STEP for p, q in zip(mixed.planes, plain.planes, strict=True))


def test_the_motion_of_the_source_moves_results_twice_as_far(folder: Path) -> None:
    a, b = moving(2, dx=6)
    # the camera goes right: the picture half way is 3 pixels further in the left one, 3 back in the right one
    mixed = mixer(constant(folder, (3, 0), (-3, 0))).mix(a, b, HALF)
    middle = frame(scene(4)[60 : 60 + SIZE[1], 63 : 63 + SIZE[0]], 9).result
    inner = np.s_[16:-16, 16:-16]
    assert worst(mixed.planes[0][inner], middle.planes[0][inner]) <= STEP
    assert worst(blend(a.result, b.result, HALF).planes[0][inner], middle.planes[0][inner]) > 20 * STEP


@pytest.mark.parametrize("depth", [8, 10])
def test_the_network_sees_source_sized_pictures_and_the_result_is_of_the_results_form(
    random: Rife, depth: int
) -> None:
    a, b = (frame(window(scene(2), 60 + 8 * k, 60), k, depth) for k in range(2))
    mixed = mixer(random).mix(a, b, HALF)
    assert mixed.layout == a.result.layout
    assert [plane.shape for plane in mixed.planes] == [plane.shape for plane in a.result.planes]
    assert not mixed.same_as(a.result)
    assert not mixed.same_as(b.result)


def test_weight_zero_and_equal_film_frames_are_the_left_frame_itself(random: Rife) -> None:
    a, b = moving(2)
    twin = FilmFrame(1, a.source, Picture(tuple(plane.copy() for plane in a.result.planes), a.result.layout))
    assert mixer(random).mix(a, b, 0) is a.result
    assert mixer(random).mix(a, twin, HALF) is a.result


def test_a_drawing_that_is_held_through_coding_noise_is_not_moved(random: Rife) -> None:
    image = window(scene(5), 0, 0).astype(int)
    grain = np.random.default_rng(1).integers(-3, 4, image.shape)
    a, b = (frame(part.clip(0, 255).astype(np.uint8), k) for k, part in enumerate((image, image + grain)))
    assert not a.source.same_as(b.source)
    assert mixer(random).mix(a, b, HALF) is a.result


def test_a_small_thing_that_moves_is_not_taken_for_noise() -> None:
    left = window(scene(5), 0, 0).copy()
    right = left.copy()
    left[50:53, 50:53], right[50:53, 51:54] = 20, 20
    assert not is_held(frame(left, 0).source, frame(right, 1).source)


def test_a_change_of_colour_alone_is_not_taken_for_noise() -> None:
    luma, grey = np.full((32, 32), 90, np.uint8), np.full((16, 16), 128, np.uint8)
    other = grey.copy()
    other[4:8, 4:8] = 160
    assert not is_held(Picture((luma, grey, grey), YUV420), Picture((luma, grey, other), YUV420))


def test_cuts_and_flashes_hold_the_left_frame(random: Rife) -> None:
    a, cut = frame(window(scene(6), 0, 0), 0), frame(255 - window(scene(7), 0, 0) // 3, 1)
    dark = window(scene(12), 0, 0) // 4
    b, flash = frame(dark, 0), frame(255 - dark, 1)
    for weight in (1, HALF, WEIGHTS - 1):
        assert mixer(random).mix(a, cut, weight) is a.result
        assert mixer(random).mix(b, flash, weight) is b.result


def test_a_still_title_over_a_moving_picture_keeps_its_bits(random: Rife) -> None:
    frames = []
    for k in range(2):
        shot = window(scene(11), 60 + 8 * k, 60).copy()
        shot[60:100, 60:180] = 30
        shot[70:90, 80:160:8] = 235
        frames.append(frame(shot, k))
    mixed = mixer(random).mix(frames[0], frames[1], HALF)
    inner = np.s_[2 * 68 : 2 * 92, 2 * 68 : 2 * 172]
    assert np.array_equal(mixed.planes[0][inner], frames[0].result.planes[0][inner])
    assert not np.array_equal(mixed.planes[0], frames[0].result.planes[0])


def test_a_drawing_held_in_a_coded_clip_stays_the_frame_that_came(random: Rife, tmp_path: Path) -> None:
    def on_threes(number: int, width: int, height: int) -> Rgb:
        return numbered(number // 3 * 4, width, height)

    path = make_clip(tmp_path / "held.mp4", frames=12, size=SIZE, draw=on_threes, options={"crf": "20"})
    lumas = decoded_lumas(path)
    grey = PixelLayout(chroma="gray", depth=8)
    frames = [FilmFrame(k, *[Picture((luma,), grey)] * 2) for k, luma in enumerate(lumas)]
    used = mixer(random)
    for a, b in pairwise(frames):
        mixed = used.mix(a, b, HALF)
        assert (mixed is a.result) == (b.number % 3 != 0)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (17, 3), (48, 40), (65, 63), (130, 66)])
@pytest.mark.parametrize("chroma", ["420", "444", "gray"])
def test_pictures_of_any_size_are_mixed(random: Rife, size: tuple[int, int], chroma: str) -> None:
    layout = PixelLayout.model_validate({"chroma": chroma, "depth": 8})
    sources = [noise(seed, size, layout.chroma) for seed in (1, 2)]
    between = Interpolator(random, LIMITED).between(sources[0], sources[1], 0.5)
    assert between.to_left.shape == between.to_right.shape == (size[1], size[0], 2)
    assert between.share.shape == (size[1], size[0])
    assert np.isfinite(between.to_left).all()
    assert np.isfinite(between.to_right).all()
    assert between.share.min() >= 0
    assert between.share.max() <= 1


def test_a_mix_depends_on_its_pair_and_weight_only_whatever_was_kept_of_other_frames(random: Rife) -> None:
    frames = moving(5)
    used = mixer(random)
    order = [(0, 1, HALF), (0, 1, 99), (1, 2, HALF), (3, 4, HALF), (1, 2, 1000), (2, 3, HALF), (0, 1, HALF)]
    for left, right, weight in order:
        mixed = used.mix(frames[left], frames[right], weight)
        assert mixed.same_as(mixer(random).mix(frames[left], frames[right], weight))


def test_features_of_a_frame_are_computed_once_and_never_for_another(random: Rife) -> None:
    frames = moving(4)
    finder = Interpolator(random, LIMITED)
    for left in (0, 0, 1, 2):
        finder.between(frames[left].source, frames[left + 1].source, 0.5)
    assert finder.computed == len(frames)
    finder.between(frames[0].source, frames[3].source, 0.5)
    assert finder.computed == 5, "a frame of long ago was kept"


def test_several_chunks_may_use_one_network_at_once(random: Rife) -> None:
    frames = moving(4)

    def chunk(first: int) -> Picture:
        return mixer(random).mix(frames[first], frames[first + 1], HALF)

    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(chunk, [0, 1, 2] * 3))
    for first, mixed in zip([0, 1, 2] * 3, together, strict=True):
        assert mixed.same_as(chunk(first))


def test_the_number_of_threads_changes_no_bit(random: Rife) -> None:
    frames = moving(2)
    alone = mixer(random).mix(frames[0], frames[1], HALF)
    for threads in (2, 3):
        torch.set_num_threads(threads)
        assert alone.same_as(mixer(random).mix(frames[0], frames[1], HALF))


def planned(path: Path, **options: Any) -> tuple[tuple[Path, MediaInfo, PacketIndex, Plan], EnhanceSpec]:  # noqa: ANN401 - any option
    """The first arguments of a chunk's job, and the job, for a clip."""
    spec = EnhanceSpec(interpolation="rife", quality=0, preset="ultrafast", model="lanczos", **options)
    probed = probe(path, Settings().limits)
    track = progressive_track(probed.info.video, probed.packets)
    plan = make_plan(probed.info, probed.packets, track, spec, Settings().limits)
    return (path, probed.info, probed.packets, plan), spec


def test_chunks_of_any_length_give_the_frames_of_one_chunk(random: Rife, tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=12, size=SIZE, options={"crf": "12"})
    results: list[list[NDArray[np.uint8]]] = []
    for length, chunks in ((100, 1), (0.2, 3)):
        job, spec = planned(path, fps=Fraction(60), chunk_seconds=length)
        assert len(job[-1].chunks) == chunks
        results.append([])
        for chunk in job[-1].chunks:
            output = tmp_path / f"{length}-{chunk.index}.mp4"
            finder = Interpolator(random, job[1].video.colour)
            enhance_chunk(*job, chunk, spec, output, settings=Settings(), finder=finder)
            results[-1] += frames_of(output)
        assert len(results[-1]) == len(job[-1].times) == 30
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


def test_only_chunks_that_mix_frames_need_weights(tmp_path: Path) -> None:
    path, output = make_clip(tmp_path / "clip.mp4", frames=6, size=SIZE), tmp_path / "out" / "chunk.mp4"
    output.parent.mkdir()
    (tmp_path / "mirror").mkdir()
    settings = Settings(model_mirror=str(tmp_path / "mirror"), models=tmp_path / "models")
    job, spec = planned(path, fps=Fraction(60))
    with pytest.raises(DownloadError, match=RIFE.weights[0].name):
        enhance_chunk(*job, job[-1].chunks[0], spec, output, settings=settings)
    assert list(output.parent.iterdir()) == []
    job, spec = planned(path, fps=Fraction(12))
    enhance_chunk(*job, job[-1].chunks[0], spec, output, settings=settings)
    assert len(frames_of(output)) == 3


def test_a_device_that_is_not_here_is_refused_before_any_work() -> None:
    with pytest.raises(MissingToolError, match="cuda:7"):
        check_rife("cuda:7")


def test_without_pytorch_it_is_refused_with_what_to_do() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from sakuga.errors import MissingToolError\n"
        "from sakuga.models.between import check_rife\n"
        "try:\n    check_rife()\n"
        "except MissingToolError as error:\n    sys.exit('make models' not in str(error))\n"
        "sys.exit(2)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_file_that_is_not_the_published_one_is_refused_and_not_kept(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    flownets.save_flownet(mirror / RIFE.weights[0].name, flownets.random_state(1))
    settings = Settings(model_mirror=str(mirror), models=tmp_path / "models")
    with pytest.raises((WeightsError, DownloadError), match=RIFE.weights[0].name):
        open_rife("cpu", LIMITED, settings)
    assert [path for path in (tmp_path / "models").rglob("*") if path.suffix == ".pkl"] == []


def test_the_digest_names_the_published_weights() -> None:
    assert RIFE.weights[0].sha256[:16] in rife_digest()
