from fractions import Fraction

import numpy as np
import pytest

from sakuga.errors import ContractError
from sakuga.media.deinterlace import fill_bottom_field, from_frame, to_frame
from sakuga.media.film import Film, film_pictures
from sakuga.media.info import ChromaFormat, PixelLayout
from sakuga.media.picture import Picture
from sakuga.media.upright import upright, upright_colour, upright_layout, upright_size
from tests.media.pictures import MemoryReader, noise, stream

SIZE = (34, 18)
LAYOUTS: list[tuple[ChromaFormat, int]] = [
    ("420", 8),
    ("422", 8),
    ("444", 8),
    ("gray", 8),
    ("420", 10),
    ("422", 10),
    ("444", 10),
    ("gray", 10),
]


def pictures(count: int, chroma: ChromaFormat = "420", depth: int = 8) -> list[Picture]:
    return [noise(seed, SIZE, chroma, depth) for seed in range(count)]


def film_of(source: list[Picture], film: Film, first: int, end: int) -> list[Picture]:
    return list(film_pictures(MemoryReader(source), film, first, end, stream(source[0], len(source))))


def same(ours: list[Picture], theirs: list[Picture]) -> bool:
    return len(ours) == len(theirs) and all(a.same_as(b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(("chroma", "depth"), LAYOUTS)
def test_a_picture_goes_through_a_frame_unchanged(chroma: ChromaFormat, depth: int) -> None:
    picture = noise(1, (31, 17), chroma, depth)
    assert from_frame(to_frame(picture), picture.layout).same_as(picture)


@pytest.mark.parametrize(("chroma", "depth"), LAYOUTS)
@pytest.mark.parametrize("kind", ["bob", "deinterlaced"])
@pytest.mark.parametrize("top_first", [True, False])
def test_deinterlaced_in_pieces_equals_deinterlaced_at_once(
    kind: str, chroma: ChromaFormat, depth: int, top_first: bool
) -> None:
    source = pictures(9, chroma, depth)
    count = 18 if kind == "bob" else 9
    film = Film.model_validate({"kind": kind, "count": count, "top_field_first": top_first})
    whole = film_of(source, film, 0, count)
    for length in (1, 2, 5):
        pieces = [
            picture
            for first in range(0, count, length)
            for picture in film_of(source, film, first, min(first + length, count))
        ]
        assert same(pieces, whole)


@pytest.mark.parametrize("top_first", [True, False])
def test_bob_keeps_the_lines_of_each_field_in_order_of_time(top_first: bool) -> None:
    source = pictures(4)
    fields = film_of(source, Film(kind="bob", count=8, top_field_first=top_first), 0, 8)
    for number, picture in enumerate(fields):
        line = 0 if (number % 2 == 0) == top_first else 1
        kept = source[number // 2].planes[0][line::2]
        assert np.array_equal(picture.planes[0][line::2], kept)


@pytest.mark.parametrize("size", [(8, 8), (6, 4), (2, 2)])
def test_pictures_too_small_for_the_filter_are_deinterlaced_too(size: tuple[int, int]) -> None:
    source = [noise(seed, size) for seed in range(3)]
    whole = film_of(source, Film(kind="bob", count=6), 0, 6)
    assert len(whole) == 6
    assert same(film_of(source, Film(kind="bob", count=6), 3, 5), whole[3:5])
    assert np.array_equal(whole[3].planes[0][1::2], source[1].planes[0][1::2])


def test_a_woven_frame_has_the_fields_that_the_film_names() -> None:
    source = pictures(5)
    film = Film(kind="woven", count=3, top=(0, 2, 4), bottom=(1, 2, 3), combed=(False,) * 3)
    whole = film_of(source, film, 0, 3)
    for picture, top, bottom in zip(whole, film.top, film.bottom, strict=True):
        for plane, upper, lower in zip(
            picture.planes, source[top].planes, source[bottom].planes, strict=True
        ):
            assert np.array_equal(plane[0::2], upper[0::2])
            assert np.array_equal(plane[1::2], lower[1::2])
    assert all(same(film_of(source, film, k, k + 1), whole[k : k + 1]) for k in range(3))


def test_a_combed_woven_frame_keeps_its_top_field_only() -> None:
    y, x = np.mgrid[0:32, 0:48]
    slope = (40 + 3 * x + y).astype(np.uint8)
    torn = slope.copy()
    torn[1::2] = 255
    picture = Picture((torn,), PixelLayout(chroma="gray", depth=8))
    filled = fill_bottom_field(picture).planes[0]
    assert np.array_equal(filled[0::2], slope[0::2])
    rounding = 1
    difference = np.abs(filled.astype(int) - slope)[:-1]
    assert difference.max() <= rounding


def test_repeated_and_skipped_frames_are_decoded_once() -> None:
    source = pictures(8)
    reader = MemoryReader(source)
    film = Film(kind="frames", count=6, top=(0, 0, 3, 3, 4, 7))
    shown = list(film_pictures(reader, film, 0, 6, stream(source[0], 8)))
    assert same(shown, [source[k] for k in film.top])
    assert shown[0] is shown[1]
    assert max(reader.decoded) == 1


def test_an_unlisted_film_is_its_decoded_frames() -> None:
    source = pictures(4)
    assert same(film_of(source, Film(kind="frames", count=4), 1, 3), source[1:3])
    assert film_of(source, Film(kind="frames", count=4), 2, 2) == []


def test_a_range_outside_the_film_is_refused() -> None:
    source = pictures(2)
    with pytest.raises(ContractError):
        film_of(source, Film(kind="frames", count=2), 1, 3)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("chroma", ["gray", "420", "422", "444"])
def test_a_corner_goes_where_the_rotation_takes_it(
    rotation: int, flipped: bool, chroma: ChromaFormat
) -> None:
    grey = noise(0, (8, 4), chroma)
    planes = tuple(np.full_like(plane, 16) for plane in grey.planes)
    for plane in planes:
        plane[0, 0] = 235
    video = stream(grey, 1, rotation=rotation, flipped=flipped)
    turned = upright(Picture(planes, grey.layout), video)
    clockwise = ["top left", "top right", "bottom right", "bottom left"]
    corner = clockwise[(int(flipped) + rotation // 90) % 4]
    line = 0 if "top" in corner else -1
    column = 0 if "left" in corner else -1
    assert turned.layout == upright_layout(video)
    assert (turned.width, turned.height) == upright_size(video)
    chroma_size = turned.layout.chroma_size(turned.width, turned.height)
    for plane in turned.planes[1:]:
        assert plane.shape == chroma_size[::-1]
    for plane in turned.planes:
        assert plane.flags.c_contiguous
        assert plane[line, column] == plane.max() > 16


def test_422_on_its_side_becomes_444_and_keeps_a_slope_of_chroma() -> None:
    slope = np.tile(np.arange(0, 160, 2, dtype=np.uint8), (40, 1))
    luma = np.zeros((40, 160), np.uint8)
    picture = Picture((luma, slope, slope), PixelLayout(chroma="422", depth=8))
    video = stream(picture, 1, rotation=90)
    turned = upright(picture, video)
    assert turned.layout.chroma == "444"
    assert turned.planes[1].shape == (160, 40)
    assert np.array_equal(turned.planes[1][:158, 0], np.arange(158))


@pytest.mark.parametrize(
    ("stored", "rotation", "flipped", "shown"),
    [
        ("left", 0, False, "left"),
        ("left", 90, False, "top"),
        ("left", 270, False, "bottom"),
        ("left", 180, False, "center"),
        ("left", 0, True, "center"),
        ("topleft", 270, False, "bottomleft"),
        ("center", 90, False, "center"),
    ],
)
def test_chroma_siting_turns_with_the_picture(stored: str, rotation: int, flipped: bool, shown: str) -> None:
    video = stream(noise(0, SIZE), 1, rotation=rotation, flipped=flipped)
    colour = video.colour.model_copy(update={"siting": stored})
    assert upright_colour(video.model_copy(update={"colour": colour})).siting == shown


def test_film_pictures_stand_upright() -> None:
    source = pictures(2)
    video = stream(source[0], 2, Fraction(25), rotation=90)
    shown = list(film_pictures(MemoryReader(source), Film(kind="frames", count=2), 0, 2, video))
    assert np.array_equal(shown[1].planes[0], np.rot90(source[1].planes[0], -1))
