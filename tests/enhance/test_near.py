"""Near reuse: noise of coding is no change, fades are followed, errors bounded, and cuts cannot be seen."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakuga.enhance.cuts import chunks_at, cut_points
from sakuga.enhance.key import chunk_key
from sakuga.enhance.near import (
    EQUAL_PSNR,
    MEAN_CHANGE,
    MOST_CHANGE,
    NEAR_GROUP,
    NEAR_PSNR,
    composite,
    group_starts,
    luma_psnr,
    near_changes,
)
from sakuga.enhance.reuse import NEAR_AUDITS, Reuse
from sakuga.enhance.spec import EnhanceSpec
from sakuga.enhance.tally import Counts
from sakuga.enhance.upscaling import Upscaling
from sakuga.media.info import ChromaFormat, PixelLayout
from sakuga.media.picture import Picture
from sakuga.models.base import Rect, Upscaler
from sakuga.models.lanczos import Lanczos
from tests.clips import Rgb, numbered
from tests.enhance.convolver import Convolver
from tests.enhance.test_chunk import Source, frames_of, source_at
from tests.media.pictures import LIMITED, noise

SIZE = (160, 96)
CODES_8 = 255


def flat(level: int, chroma: ChromaFormat = "420", depth: int = 8) -> Picture:
    """Every sample of luma at one level of 8 bits, chroma in the middle."""
    picture = noise(0, SIZE, chroma, depth)
    unit = 1 << (depth - 8)
    levels = [level, 128, 128]
    planes = [np.full_like(plane, value * unit) for plane, value in zip(picture.planes, levels, strict=False)]
    return Picture(tuple(planes), picture.layout)


def coded(picture: Picture, seed: int) -> Picture:
    """With the noise of coding: every 12th sample one step off."""
    random = np.random.default_rng(seed)
    unit = 1 << (picture.layout.depth - 8)
    planes = []
    for plane in picture.planes:
        step = random.choice((-unit, *[0] * 22, unit), plane.shape)
        planes.append(np.clip(plane.astype(np.int64) + step, 0, CODES_8 * unit).astype(plane.dtype))
    return Picture(tuple(planes), picture.layout)


def lit(picture: Picture, rect: Rect, by: int) -> Picture:
    """Luma changed by so many codes in a rectangle."""
    luma = picture.planes[0].copy()
    luma[rect.top : rect.bottom, rect.left : rect.right] += luma.dtype.type(by)
    return Picture((luma, *picture.planes[1:]), picture.layout)


def run(
    pictures: Sequence[Picture], upscaler: Upscaler | None = None, first: int = 0, threads: int = 1
) -> tuple[Counts, list[Picture]]:
    size = (2 * pictures[0].width, 2 * pictures[0].height)
    with ThreadPoolExecutor(threads) as pool:
        reuse = Reuse(Upscaling(upscaler or Convolver(), size, pictures[0].layout, LIMITED), pool, "near")
        results = [reuse(number, picture) for number, picture in enumerate(pictures, first)]
        reuse.finish()
        return reuse.counts, [result.result() for result in results]


def whole(picture: Picture) -> Picture:
    return Convolver().upscale(picture, (2 * picture.width, 2 * picture.height), picture.layout, LIMITED)


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("chroma", ["gray", "420", "422", "444"])
def test_noise_of_coding_is_no_change_and_a_drawing_that_moves_is_one(
    chroma: ChromaFormat, depth: int
) -> None:
    still = flat(90, chroma, depth)
    unit = 1 << (depth - 8)
    assert not near_changes(coded(still, 1), coded(still, 2)).any()
    line = lit(still, Rect(40, 20, 41, 60), 30 * unit)
    moved = lit(still, Rect(41, 20, 42, 60), 30 * unit)
    assert near_changes(moved, line)[20:60, 40:42].all()
    assert not near_changes(moved, line)[:, 80:].any()
    shade = lit(still, Rect(40, 20, 80, 60), 2 * unit)
    assert near_changes(shade, still)[30:50, 50:70].all()


def test_a_change_of_colour_alone_is_a_change() -> None:
    still = flat(90)
    red = still.planes[2].copy()
    red[10:20, 10:20] += 12
    found = near_changes(Picture((*still.planes[:2], red), still.layout), still)
    assert found[20:40, 20:40].all()
    assert not found[60:, 60:].any()


def test_a_composite_has_the_new_samples_in_its_regions_alone() -> None:
    old, new = noise(1, (61, 41)), noise(2, (61, 41))
    mixed = composite(new, old, [Rect(16, 32, 61, 41)])
    for plane, a, b, step in zip(mixed.planes, new.planes, old.planes, (1, 2, 2), strict=True):
        inside = np.zeros(plane.shape, np.bool_)
        inside[32 // step :, 16 // step :] = True
        assert np.array_equal(plane[inside], a[inside])
        assert np.array_equal(plane[~inside], b[~inside])
    assert not np.shares_memory(mixed.planes[0], old.planes[0])


def test_psnr_is_that_of_luma_at_every_depth() -> None:
    for depth in (8, 10):
        still = flat(90, depth=depth)
        assert luma_psnr(still, still) == EQUAL_PSNR
        # 20 log10(255), and a quarter of a code's step more with 10 bits of the same span
        off = lit(still, Rect(0, 0, *SIZE), 1 << (depth - 8))
        assert luma_psnr(off, still) == pytest.approx(48.13, abs=0.03)


def test_a_held_drawing_is_computed_once_a_group_but_for_audits() -> None:
    pictures = [coded(flat(90), seed) for seed in range(2 * NEAR_GROUP)]
    counts, results = run(pictures)
    assert counts.computed == 2 * (1 + len(NEAR_AUDITS))
    assert (counts.reused, counts.audits, counts.refused) == (len(pictures) - counts.computed, 4, 0)
    assert counts.worst_audit is not None
    assert counts.worst_audit > NEAR_PSNR
    assert all(luma_psnr(result, whole(p)) > NEAR_PSNR for result, p in zip(results, pictures, strict=True))


def test_a_mouth_moves_on_a_still_face_under_noise() -> None:
    pictures = [
        lit(coded(flat(90), number), Rect(60, 40, 76, 50), 20 + 5 * (number // 2 % 7)) for number in range(40)
    ]
    counts, results = run(pictures)
    assert counts.partial > 0
    assert counts.pixels < 0.3 * counts.all_pixels
    for result, picture in zip(results, pictures, strict=True):
        assert luma_psnr(result, whole(picture)) > NEAR_PSNR


@pytest.mark.parametrize("frames_a_code", [1, 3, 10])
def test_a_fade_is_followed_however_slow(frames_a_code: int) -> None:
    texture = noise(7, SIZE, "gray").planes[0] // 4
    layout = PixelLayout(chroma="gray", depth=8)
    pictures = [
        Picture(((texture + number // frames_a_code).astype(np.uint8),), layout) for number in range(150)
    ]
    counts, results = run(pictures)
    for result, picture in zip(results, pictures, strict=True):
        behind = np.abs(result.planes[0].astype(int) - whole(picture).planes[0]).max()
        assert behind <= MEAN_CHANGE
    assert counts.computed >= 150 // frames_a_code // 2


def test_a_change_of_a_single_sample_is_seen_if_it_is_more_than_noise() -> None:
    still = flat(90)
    for by, seen in ((int(MOST_CHANGE), False), (int(MOST_CHANGE) + 1, True)):
        assert near_changes(lit(still, Rect(5, 5, 6, 6), by), still).any() == seen


def test_pans_grain_flashes_and_cuts_are_computed_whole() -> None:
    wide = noise(3, (400, 96), "gray").planes[0]
    layout = PixelLayout(chroma="gray", depth=8)
    pictures = [Picture((wide[:, n : n + 160].copy(),), layout) for n in range(20)]
    pictures += [noise(100 + n, SIZE, "gray") for n in range(20)]
    counts, results = run(pictures)
    assert counts.computed == len(pictures)
    assert all(a.same_as(whole(b)) for a, b in zip(results, pictures, strict=True))


def test_a_drawing_that_comes_back_is_found_again() -> None:
    scenes = [flat(60), lit(flat(60), Rect(20, 20, 90, 80), 40), flat(160)]
    counts, _ = run([coded(scenes[n % 3], n) for n in range(9)])
    assert counts.computed + counts.partial <= 4


def test_held_drawings_are_found_where_the_upscaler_makes_no_parts() -> None:
    counts, _ = run([coded(flat(60 + 40 * (n // 3)), n) for n in range(9)], Lanczos())
    assert (counts.computed, counts.partial, counts.reused) == (3, 0, 6)


def test_below_the_bound_the_whole_is_taken_and_the_group_goes_on_exactly() -> None:
    pictures = [
        lit(coded(flat(90), number), Rect(60, 40, 76, 50), 20 + 10 * (number // 2 % 7))
        for number in range(2 * NEAR_GROUP)
    ]
    counts, results = run(pictures, Convolver(wrong=64))
    assert counts.refused == 2
    assert counts.worst_audit is not None
    assert counts.worst_audit < NEAR_PSNR
    assert not counts.regions_off
    for start in (0, NEAR_GROUP):
        for number in range(start + NEAR_AUDITS[0] + 1, start + NEAR_GROUP):
            assert results[number].same_as(whole(pictures[number]))


def test_groups_know_nothing_of_each_other() -> None:
    pictures = [
        lit(coded(flat(90), number // 2), Rect(60, 40, 76, 50), 20 + 7 * (number // 4 % 5))
        for number in range(3 * NEAR_GROUP)
    ]
    _, together = run(pictures)
    apart = []
    for first in range(0, len(pictures), NEAR_GROUP):
        apart += run(pictures[first : first + NEAR_GROUP], first=first, threads=3)[1]
    assert all(a.same_as(b) for a, b in zip(together, apart, strict=True))


@st.composite
def mixes(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Film frames and weights as a plan has them, at any ratio of rates."""
    step = Fraction(draw(st.integers(1, 400)), draw(st.integers(20, 300)))
    nearest = draw(st.booleans())
    left, weight = [], []
    for number in range(draw(st.integers(1, 400))):
        time = number * step
        left.append(int(time))
        weight.append(0 if nearest else int((time - int(time)) * 65536))
    return left, weight


@settings(max_examples=60)
@given(mixes())
def test_chunks_at_group_starts_need_of_a_group_all_or_nothing(plan: tuple[list[int], list[int]]) -> None:
    left, weight = plan
    needed = {n for a, w in zip(left, weight, strict=True) for n in (a, a + (w > 0))}
    chunks = chunks_at([0, *group_starts(left, weight)], left, weight)
    for chunk in chunks:
        part = slice(chunk.first, chunk.end)
        mine = {n for a, w in zip(left[part], weight[part], strict=True) for n in (a, a + (w > 0))}
        for group in {number // NEAR_GROUP for number in mine if number >= min(mine)}:
            everything = {n for n in needed if n // NEAR_GROUP == group}
            got = {n for n in mine if n // NEAR_GROUP == group}
            # a chunk may end within a group that it only begins: the frame that its last mix looks ahead to
            assert got == {n for n in everything if n <= max(got)}


@given(st.integers(1, 400), st.integers(1, 200), st.sets(st.integers(1, 399)), st.sets(st.integers(1, 399)))
def test_cuts_fall_on_frames_that_are_allowed_only(
    count: int, length: int, good: set[int], allowed: set[int]
) -> None:
    times = list(range(count))
    inside = sorted(frame for frame in allowed if frame < count)
    cuts = cut_points(times, count, Fraction(length), sorted(g for g in good if g < count), inside)
    assert cuts[0] == 0
    assert set(cuts[1:]) <= set(inside)
    assert all(a < b for a, b in pairwise(cuts))


def test_the_allowed_frame_nearest_to_the_target_is_taken() -> None:
    assert cut_points(list(range(96)), 96, Fraction(30), [], [10, 33, 48, 62, 90]) == [0, 33, 62]
    assert cut_points(list(range(96)), 96, Fraction(30), [25, 33], [24, 25, 60]) == [0, 25, 60]
    assert cut_points(list(range(96)), 96, Fraction(30), [], []) == [0]


def held(number: int, width: int, height: int) -> Rgb:
    return numbered(number // 3, width, height)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    path = tmp_path_factory.mktemp("near") / "clip.mp4"
    return source_at(path, frames=170, rate=Fraction(24), draw=held, options={"crf": "26"})


def job(source: Source, spec: EnhanceSpec, folder: Path) -> tuple[list[np.ndarray], int, list[int]]:
    """Frames of all chunks, how many film frames were not computed whole, and where chunks begin."""
    plan = source.plan(spec)
    frames, saved = [], 0
    for chunk in plan.chunks:
        output = folder / f"{spec.chunk_seconds}-{chunk.index}.mp4"
        result = source.enhance(spec, plan, chunk, output, upscaler=Convolver())
        frames += frames_of(output)
        saved += result.partial + result.reused
    return frames, saved, [chunk.film_first for chunk in plan.chunks]


@pytest.mark.parametrize(
    ("fps", "interpolation"), [(None, "flow"), ("10", "nearest"), ("15", "blend"), ("60", "blend")]
)
def test_chunks_of_any_length_give_the_frames_of_one_chunk(
    source: Source, tmp_path: Path, fps: str | None, interpolation: str
) -> None:
    options = {"quality": 0, "preset": "ultrafast", "model": "lanczos", "reuse": "near"}
    options |= {"fps": fps, "interpolation": interpolation}
    one, saved, _ = job(source, EnhanceSpec(**options, chunk_seconds=100), tmp_path)
    assert saved > len(one) // 6
    for seconds in (0.5, 3):
        many, _, starts = job(source, EnhanceSpec(**options, chunk_seconds=seconds), tmp_path)
        assert len(starts) > 1
        assert len(many) == len(one)
        assert all(np.array_equal(a, b) for a, b in zip(one, many, strict=True))


def test_a_chunk_with_near_reuse_has_a_key_of_its_own(source: Source) -> None:
    spec = EnhanceSpec(model="lanczos", reuse="near")
    plan = source.plan(spec)
    chunk = plan.chunks[0]
    exact = chunk_key("0", source.info, plan, chunk, spec.model_copy(update={"reuse": "exact"}))
    assert chunk_key("0", source.info, plan, chunk, spec) != exact
