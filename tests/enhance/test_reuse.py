"""Exact reuse gives the pixels of no reuse, and computes what is new only."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakuga.enhance.reuse import EXACT_AUDITS, KEPT, LONGEST_PAUSE, TRIES, Reuse, ReuseMode
from sakuga.enhance.spec import EnhanceSpec
from sakuga.enhance.upscaling import Upscaling
from sakuga.errors import ContractError
from sakuga.media.info import ChromaFormat
from sakuga.media.picture import Picture
from sakuga.models.lanczos import Lanczos
from tests.clips import Rgb
from tests.enhance.convolver import Convolver
from tests.enhance.test_chunk import frames_of, source_at
from tests.media.pictures import LIMITED, noise

SIZE = (80, 64)


@contextmanager
def reusing(
    upscaler: Convolver | Lanczos, first: Picture, mode: ReuseMode = "exact", threads: int = 1
) -> Iterator[Reuse]:
    size = (2 * first.width, 2 * first.height)
    with ThreadPoolExecutor(threads) as pool:
        yield Reuse(Upscaling(upscaler, size, first.layout, LIMITED), pool, mode)


def run(
    pictures: Sequence[Picture], upscaler: Convolver, mode: ReuseMode = "exact", threads: int = 1
) -> tuple[Reuse, list[Picture]]:
    with reusing(upscaler, pictures[0], mode, threads) as reuse:
        results = [reuse(number, picture) for number, picture in enumerate(pictures)]
        reuse.finish()
        return reuse, [result.result() for result in results]


def wholes(pictures: Sequence[Picture], radius: int = 2) -> list[Picture]:
    size = (2 * pictures[0].width, 2 * pictures[0].height)
    upscaler = Convolver(radius)
    return [upscaler.upscale(picture, size, picture.layout, LIMITED) for picture in pictures]


def all_equal(results: Sequence[Picture], wanted: Sequence[Picture]) -> bool:
    return all(a.same_as(b) for a, b in zip(results, wanted, strict=True))


def letters(text: str) -> list[Picture]:
    """One picture for each letter; equal letters give equal pictures that are different objects."""
    return [noise(ord(letter), SIZE) for letter in text]


def painted(picture: Picture, left: int, top: int, width: int, height: int, value: int = 1) -> Picture:
    """A copy with another rectangle of samples, at luma places, in every plane."""
    planes = [plane.copy() for plane in picture.planes]
    for plane in planes:
        down, across = 1 + (plane.shape[0] < picture.height), 1 + (plane.shape[1] < picture.width)
        rows, columns = slice(top // down, -(-(top + height) // down)), slice(left // across, None)
        plane[rows, columns][:, : -(-width // across)] ^= plane.dtype.type(value)
    return Picture(tuple(planes), picture.layout)


def talking(frames: int, still: Picture, mouths: int = 20) -> list[Picture]:
    """A mouth that moves on a still face, each position for two frames."""
    return [painted(still, 24, 32, 9, 5, 1 + number // 2 % mouths) for number in range(frames)]


@pytest.mark.parametrize(("shown", "computed"), [("aaabbb", 2), ("abababab", 2), ("abcabc", 3), ("aab", 2)])
def test_a_picture_shown_again_is_computed_once(shown: str, computed: int) -> None:
    pictures = letters(shown)
    reuse, results = run(pictures, Convolver())
    assert (reuse.counts.computed, reuse.counts.reused) == (computed, len(shown) - computed)
    for letter, result in zip(shown, results, strict=True):
        assert result is results[shown.index(letter)]
    assert all_equal(results, wholes(pictures))


def test_only_a_few_results_are_kept() -> None:
    reuse, _ = run(letters("abcdefgh"[: KEPT + 1] + "a"), Convolver())
    assert reuse.counts.reused == 0


def test_without_reuse_every_picture_is_computed() -> None:
    reuse, _ = run([*letters("aaa"), *talking(3, letters("a")[0])], Convolver(), "off")
    assert (reuse.counts.computed, reuse.counts.reused, reuse.counts.partial) == (6, 0, 0)


def test_a_moving_mouth_on_a_still_face_is_computed_alone() -> None:
    pictures = talking(40, noise(1, (320, 192)), mouths=30)
    upscaler = Convolver()
    reuse, results = run(pictures, upscaler)
    counts = reuse.counts
    # the first part is audited, so it counts as computed
    assert (counts.computed, counts.partial, counts.reused, counts.audits) == (2, 18, 20, 1)
    assert (upscaler.wholes, upscaler.parts) == (2, 19)
    assert counts.all_pixels == 40 * 320 * 192
    assert counts.pixels < counts.all_pixels * 0.1
    assert all_equal(results, wholes(pictures))


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("chroma", ["gray", "420", "422", "444"])
def test_results_are_those_of_no_reuse_in_every_layout(
    chroma: ChromaFormat, depth: int, threads: int
) -> None:
    still = noise(5, (141, 99), chroma, depth)
    other = noise(6, (141, 99), chroma, depth)
    corners = [painted(still, x, y, 1, 1) for x in (0, 140) for y in (0, 98)]
    pictures = [still, *corners, other, *talking(6, still), other, still, painted(other, 100, 60, 41, 39)]
    reuse, results = run(pictures, Convolver(3, parallel=threads), threads=threads)
    assert reuse.counts.partial > 0
    assert all_equal(results, wholes(pictures, 3))


changes = st.tuples(st.integers(0, 100), st.integers(0, 70), st.integers(1, 50), st.integers(1, 40))


@given(st.lists(st.tuples(st.integers(0, 3), st.lists(changes, max_size=3)), min_size=2, max_size=10))
def test_results_are_those_of_no_reuse_whatever_changes(
    frames: list[tuple[int, list[tuple[int, int, int, int]]]],
) -> None:
    scenes = [noise(seed, (101, 71)) for seed in range(4)]
    pictures = []
    for scene, boxes in frames:
        picture = scenes[scene]
        for box in boxes:
            picture = painted(picture, *box)
        pictures.append(picture)
    reuse, results = run(pictures, Convolver())
    counts = reuse.counts
    assert counts.computed + counts.partial + counts.reused == len(pictures)
    assert all_equal(results, wholes(pictures))


@pytest.mark.parametrize("chroma", ["gray", "420"])
def test_a_changed_pixel_is_seen_as_far_as_it_reaches_wherever_it_is(chroma: ChromaFormat) -> None:
    still = noise(5, (141, 99), chroma)
    first = painted(still, 120, 80, 1, 1, 255)
    for place in range(32):
        pictures = [still, first, painted(still, 30 + place, 20 + place, 1, 1, 255)]
        reuse, results = run(pictures, Convolver(3))
        assert reuse.counts.partial == 1
        assert all_equal(results, wholes(pictures, 3))


def test_a_flash_between_two_frames_of_a_scene_costs_one_frame() -> None:
    still = noise(1, (320, 192))
    flash = Picture(tuple(np.full_like(plane, 235) for plane in still.planes), still.layout)
    pictures = [still, painted(still, 30, 30, 8, 8), flash, painted(still, 60, 60, 8, 8), still]
    reuse, results = run(pictures, Convolver())
    # besides the flash: the first frame and the audit of the first part
    assert (reuse.counts.computed, reuse.counts.partial, reuse.counts.reused) == (3, 1, 1)
    assert all_equal(results, wholes(pictures))


def test_comparing_pauses_in_grain_and_goes_on_in_a_drawing() -> None:
    grain = [noise(seed, SIZE) for seed in range(100)]
    still = noise(1000, SIZE)
    drawn = [painted(still, 8, 8, 4, 4, value) for value in range(1, 2 * LONGEST_PAUSE)]
    reuse, results = run([*grain, *drawn], Convolver())
    counts = reuse.counts
    assert counts.computed + counts.partial == len(grain) + len(drawn)
    assert counts.partial >= len(drawn) - LONGEST_PAUSE - TRIES
    assert all_equal(results, wholes([*grain, *drawn]))


def test_an_upscaler_without_parts_computes_every_new_picture_whole() -> None:
    pictures = [*talking(4, letters("a")[0]), *letters("a")]
    with reusing(Lanczos(), pictures[0]) as reuse:
        results = [reuse(number, picture).result() for number, picture in enumerate(pictures)]
    assert (reuse.counts.computed, reuse.counts.reused, reuse.counts.partial) == (3, 2, 0)
    assert results[0] is results[1]


def test_wrong_parts_are_found_before_they_are_shown() -> None:
    pictures = talking(20, letters("a")[0], mouths=10)
    reuse, results = run(pictures, Convolver(wrong=2))
    counts = reuse.counts
    assert (counts.partial, counts.audits, counts.refused) == (0, 1, 1)
    assert "convolver" in counts.regions_off
    assert all_equal(results, wholes(pictures))


def test_off_by_one_in_many_samples_is_wrong_too() -> None:
    reuse, _ = run(talking(20, letters("a")[0], mouths=10), Convolver(wrong=1))
    assert reuse.counts.regions_off


def test_parts_that_go_wrong_later_are_found_by_the_next_audit() -> None:
    still = noise(1, SIZE)
    pictures = [painted(still, number % 64, number % 48, 8, 8) for number in range(2 * EXACT_AUDITS)]
    with pytest.raises(ContractError, match="differ from the whole"):
        run(pictures, Convolver(wrong=2, wrong_from=5))


def winking(number: int, width: int, height: int) -> Rgb:
    """A still but for one square, which is another one in each frame."""
    image = np.full((height, width, 3), 90, np.uint8)
    image[64:72, 64:72] = (number, 255 - number, 2 * number % 256)
    return image


class Refusing(Convolver):
    """Fails at parts."""

    def upscale_regions(self, *_args: object, **_options: object) -> Picture:
        raise ValueError("no part today")


def test_an_error_in_a_part_comes_out_and_nothing_waits_for_ever() -> None:
    with pytest.raises(ValueError, match="no part today"):
        run(talking(20, letters("a")[0]), Refusing())


def test_a_chunk_with_wrong_parts_is_made_again_of_whole_pictures(tmp_path: Path) -> None:
    source = source_at(tmp_path / "clip.mkv", frames=130, size=(160, 128), draw=winking, options={"qp": "0"})
    spec = EnhanceSpec(model="lanczos", quality=0, preset="ultrafast", chunk_seconds=100)
    plan = source.plan(spec)
    frames, results = [], []
    for name, upscaler in (("right", Convolver()), ("wrong", Convolver(wrong=2, wrong_from=5))):
        output = tmp_path / f"{name}.mp4"
        results.append(source.enhance(spec, plan, plan.chunks[0], output, upscaler=upscaler))
        frames.append(frames_of(output))
    right, wrong = results
    assert all(np.array_equal(a, b) for a, b in zip(*frames, strict=True))
    assert (right.partial + right.computed, right.audits, right.regions_off) == (130, 2, "")
    assert right.use == Convolver().use
    assert right.pixels < right.all_pixels / 2
    assert (wrong.partial, wrong.computed, wrong.frames) == (0, 130, 130)
    assert "differ from the whole" in wrong.regions_off
