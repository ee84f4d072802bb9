import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sakuga.enhance.interpolate import FilmFrame, Mixer, blend, find_motion
from sakuga.enhance.plan import WEIGHTS
from sakuga.enhance.spec import Interpolation
from sakuga.media.info import PixelLayout
from sakuga.media.picture import Picture
from sakuga.media.resize import resize_picture
from tests.media.pictures import LIMITED, noise

YUV420 = PixelLayout(chroma="420", depth=8)
HALF = WEIGHTS // 2
BETTER = 10.0
"""Decibels that flow must gain over a plain mix on steady motion."""

every_method: tuple[Interpolation, ...] = ("nearest", "blend", "flow")


def scene(seed: int) -> NDArray[np.uint8]:
    """A smooth random drawing, larger than the frames that are cut from it."""
    rough = np.random.default_rng(seed).integers(30, 220, (40, 50)).astype(np.uint8)
    return np.asarray(cv2.resize(rough, (400, 320), interpolation=cv2.INTER_CUBIC), np.uint8)


def frame(image: NDArray[np.uint8], number: int, depth: int = 8) -> FilmFrame:
    """A film frame of 4:2:0 whose result is twice as large."""
    luma = np.ascontiguousarray(image)
    chroma = np.ascontiguousarray(luma[::2, ::2])
    source = Picture((luma, chroma, chroma[:, ::-1].copy()), YUV420)
    layout = PixelLayout(chroma="420", depth=10 if depth == 10 else 8)
    size = (2 * source.width, 2 * source.height)
    return FilmFrame(number, source, resize_picture(source, size, layout, LIMITED))


def window(image: NDArray[np.uint8], x: int, y: int) -> NDArray[np.uint8]:
    return image[y : y + 160, x : x + 240]


def psnr(a: Picture, b: Picture) -> float:
    inside = np.s_[40:-40, 40:-40]
    error = (a.planes[0].astype(float) - b.planes[0])[inside]
    return float(10 * np.log10(255**2 / max(1e-9, float((error**2).mean()))))


@pytest.mark.parametrize("weight", [1, 12345, HALF, WEIGHTS - 1])
@pytest.mark.parametrize("depth", [8, 10])
def test_a_blend_is_the_exact_mean_of_every_sample(weight: int, depth: int) -> None:
    a, b = noise(1, (32, 24), depth=depth), noise(2, (32, 24), depth=depth)
    for left, right, mixed in zip(a.planes, b.planes, blend(a, b, weight).planes, strict=True):
        exact = left.astype(object) * (WEIGHTS - weight) + right.astype(object) * weight
        assert (mixed == (exact * 2 + WEIGHTS) // (2 * WEIGHTS)).all()
        assert mixed.dtype == left.dtype


@pytest.mark.parametrize("method", every_method)
def test_equal_film_frames_give_the_frame_itself(method: Interpolation) -> None:
    a, b = frame(window(scene(1), 0, 0), 0), frame(window(scene(1), 0, 0), 1)
    assert Mixer(method).mix(a, b, HALF) is a.result


@pytest.mark.parametrize("method", every_method)
def test_weight_zero_is_the_left_frame_itself(method: Interpolation) -> None:
    a, b = frame(window(scene(1), 0, 0), 0), frame(window(scene(1), 9, 0), 1)
    assert Mixer(method).mix(a, b, 0) is a.result


@pytest.mark.parametrize(("dx", "dy"), [(8, 4), (-6, 8), (12, 0)])
@pytest.mark.parametrize("depth", [8, 10])
def test_flow_puts_a_moving_picture_half_way(dx: int, dy: int, depth: int) -> None:
    image = scene(2)
    a, middle, b = (frame(window(image, 60 + k * dx // 2, 60 + k * dy // 2), k, depth) for k in range(3))
    by_flow = Mixer("flow").mix(a, b, HALF)
    assert by_flow.layout == a.result.layout
    assert psnr(by_flow, middle.result) > psnr(blend(a.result, b.result, HALF), middle.result) + BETTER


def test_flow_follows_the_weight() -> None:
    image = scene(3)
    frames = [frame(window(image, 60 + 2 * k, 60), k) for k in range(5)]
    mixer = Mixer("flow")
    for k in (1, 2, 3):
        mixed = mixer.mix(frames[0], frames[4], k * WEIGHTS // 4)
        nearest = max(range(5), key=lambda number: psnr(mixed, frames[number].result))
        assert nearest == k


def test_a_mix_depends_on_its_two_frames_and_weight_only() -> None:
    image = scene(4)
    frames = [frame(window(image, 60 + 5 * k, 60), k) for k in range(3)]
    used = Mixer("flow")
    used.mix(frames[0], frames[1], HALF)
    used.mix(frames[1], frames[2], 1000)
    again = used.mix(frames[0], frames[1], 1000)
    assert again.same_as(Mixer("flow").mix(frames[0], frames[1], 1000))


def test_flow_gives_the_same_with_any_number_of_threads() -> None:
    a, b = frame(window(scene(5), 0, 0), 0), frame(window(scene(5), 7, 3), 1)
    before = cv2.getNumThreads()
    results = []
    try:
        for threads in (1, 2, 4):
            cv2.setNumThreads(threads)
            results.append(Mixer("flow").mix(a, b, 20000))
    finally:
        cv2.setNumThreads(before)
    assert results[0].same_as(results[1])
    assert results[0].same_as(results[2])


def test_a_scene_cut_is_never_seen_early() -> None:
    a, b = frame(window(scene(6), 0, 0), 0), frame(255 - window(scene(7), 0, 0) // 3, 1)
    assert find_motion(a.source, b.source).cut
    for weight in (1, HALF, WEIGHTS - 1):
        assert Mixer("flow").mix(a, b, weight) is a.result


def test_a_cut_between_scenes_of_the_same_colours_is_a_cut() -> None:
    a, b = frame(window(scene(8), 0, 0), 0), frame(window(scene(9), 0, 0), 1)
    assert find_motion(a.source, b.source).cut


def test_a_flash_is_a_cut_though_nothing_moves() -> None:
    dark = window(scene(12), 0, 0) // 4
    a, b = frame(dark, 0), frame(255 - dark, 1)
    assert Mixer("flow").mix(a, b, WEIGHTS - 1) is a.result


def test_a_fade_is_mixed() -> None:
    image = window(scene(12), 0, 0)
    a, b = frame(image, 0), frame(image // 10 * 9, 1)
    assert not find_motion(a.source, b.source).cut


def test_a_quick_pan_is_not_a_cut() -> None:
    a, b = frame(window(scene(10), 20, 60), 0), frame(window(scene(10), 34, 60), 1)
    assert not find_motion(a.source, b.source).cut


def test_a_still_title_over_a_moving_picture_is_not_touched() -> None:
    image = scene(11)
    frames = []
    for k in range(2):
        shot = window(image, 60 + 8 * k, 60).copy()
        shot[60:100, 60:180] = 30
        shot[70:90, 80:160:8] = 235
        frames.append(frame(shot, k))
    mixed = Mixer("flow").mix(frames[0], frames[1], HALF)
    inner = np.s_[2 * 68 : 2 * 92, 2 * 68 : 2 * 172]
    assert np.array_equal(mixed.planes[0][inner], frames[0].result.planes[0][inner])


@pytest.mark.parametrize("method", every_method)
def test_no_sample_leaves_its_codes(method: Interpolation) -> None:
    sources = [noise(seed, (64, 48), depth=10) for seed in (1, 2)]
    a, b = (FilmFrame(k, source, source) for k, source in enumerate(sources))
    mixed = Mixer(method).mix(a, b, HALF)
    assert all(int(plane.max()) <= 1023 for plane in mixed.planes)


@pytest.mark.parametrize("size", [(2, 2), (16, 16), (18, 6), (34, 62)])
def test_small_pictures_are_mixed_too(size: tuple[int, int]) -> None:
    sources = [noise(seed, size) for seed in (1, 2)]
    a, b = (FilmFrame(k, source, source) for k, source in enumerate(sources))
    assert (Mixer("flow").mix(a, b, 99).width, Mixer("flow").mix(a, b, 99).height) == size
