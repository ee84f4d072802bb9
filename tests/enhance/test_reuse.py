from concurrent.futures import Future

import pytest

from sakuga.enhance.reuse import KEPT, Reuse, picture_digest
from sakuga.media.info import PixelLayout
from sakuga.media.picture import Picture
from sakuga.media.resize import resize_picture
from tests.media.pictures import LIMITED, noise


def larger(picture: Picture) -> Future[Picture]:
    done: Future[Picture] = Future()
    done.set_result(resize_picture(picture, (64, 48), picture.layout, LIMITED))
    return done


def pictures(text: str) -> list[Picture]:
    """One picture for each letter; equal letters give equal pictures that are different objects."""
    return [noise(ord(letter), (32, 24)) for letter in text]


@pytest.mark.parametrize(("shown", "computed"), [("aaabbb", 2), ("abababab", 2), ("abcabc", 3), ("aab", 2)])
def test_a_picture_shown_again_is_computed_once(shown: str, computed: int) -> None:
    reuse = Reuse(larger)
    results = [reuse(picture).result() for picture in pictures(shown)]
    assert (reuse.computed, reuse.reused) == (computed, len(shown) - computed)
    for letter, result in zip(shown, results, strict=True):
        assert result is results[shown.index(letter)]
        assert result.same_as(larger(noise(ord(letter), (32, 24))).result())


def test_only_a_few_results_are_kept() -> None:
    reuse = Reuse(larger)
    for picture in pictures("abcdefgh"[: KEPT + 1] + "a"):
        reuse(picture)
    assert reuse.reused == 0


def test_without_reuse_every_picture_is_computed() -> None:
    reuse = Reuse(larger, kept=0)
    for picture in pictures("aaa"):
        reuse(picture)
    assert (reuse.computed, reuse.reused) == (3, 0)


def test_one_changed_sample_is_another_picture() -> None:
    picture = noise(1, (32, 24))
    for number in range(3):
        planes = [plane.copy() for plane in picture.planes]
        planes[number][-1, -1] ^= 1
        changed = Picture((planes[0], planes[1], planes[2]), picture.layout)
        assert picture_digest(changed) != picture_digest(picture)


def test_the_same_bytes_in_another_shape_or_layout_are_another_picture() -> None:
    luma = noise(1, (32, 24), "gray").planes[0]
    grey = PixelLayout(chroma="gray", depth=8)
    assert picture_digest(Picture((luma,), grey)) != picture_digest(Picture((luma.reshape(32, 24),), grey))
