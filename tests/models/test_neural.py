"""A network on an engine as an upscaler: tiles, regions and passes make the whole picture's result."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakuga.errors import OutOfMemoryError
from sakuga.media.info import ChromaFormat, PixelLayout
from sakuga.media.picture import Picture, Plane
from sakuga.models.base import Rect, RegionUpscaler
from tests.media.pictures import LIMITED, noise

torch = pytest.importorskip("torch")

from sakuga.models.means import CELL, cell_area  # noqa: E402
from sakuga.models.networks.base import SuperResolver  # noqa: E402
from sakuga.models.neural import ALIGNED, NeuralUpscaler  # noqa: E402
from sakuga.models.parts import owned  # noqa: E402
from sakuga.models.tiles import OVERLAP  # noqa: E402
from tests.models.networks import Identity, PlainEngine, Tiny  # noqa: E402

YUV420 = PixelLayout(chroma="420", depth=8)
YUV420P10 = PixelLayout(chroma="420", depth=10)
YUV444 = PixelLayout(chroma="444", depth=8)
WHOLE = 1 << 30
"""Pixels that hold every picture here at once."""
RESAMPLED = 3
"""Source pixels beyond a part that the cubic kernel sees for its chroma."""
FEW = 1e-4
"""Samples that may be off by one step where an engine's sums depend on the shape."""
SEAM = 1
"""Codes that blended tiles may differ by, where the network sees less than is left to the neighbour."""
WIDE_SEAM = 16, 0.25
"""Largest and mean difference in codes where it sees farther. The network is a hard one: random weights, as
strong 16 pixels away as in the middle, on noise."""


def upscaler(network: SuperResolver, pixels: int = WHOLE, room: int = WHOLE) -> NeuralUpscaler:
    return NeuralUpscaler("tiny", "tiny-1", PlainEngine(network, room), network, pixels)


def assert_same(one: Picture, other: Picture) -> None:
    """Off by one step in fewer than one sample of 10,000, of a plane with fewer samples in one."""
    for a, b in zip(one.planes, other.planes, strict=True):
        difference = np.abs(a.astype(np.int64) - b.astype(np.int64))
        assert difference.max(initial=0) <= 1
        assert np.count_nonzero(difference) <= max(1, FEW * difference.size)


def largest(one: Picture, other: Picture) -> int:
    pairs = zip(one.planes, other.planes, strict=True)
    return max(int(np.abs(a.astype(np.int64) - b.astype(np.int64)).max()) for a, b in pairs)


def changed(picture: Picture, at: tuple[int, int]) -> Picture:
    """The picture with another pixel at a place, and the chroma under it."""
    planes: list[Plane] = []
    for plane in picture.planes:
        copy = plane.copy()
        column = at[0] * plane.shape[1] // picture.width if plane.shape[1] < picture.width else at[0]
        row = at[1] * plane.shape[0] // picture.height if plane.shape[0] < picture.height else at[1]
        column, row = min(column, plane.shape[1] - 1), min(row, plane.shape[0] - 1)
        copy[row, column] = 255 - int(copy[row, column])
        planes.append(copy)
    return Picture(tuple(planes), picture.layout)


def test_it_is_what_upscalers_of_regions_are() -> None:
    assert isinstance(upscaler(Tiny()), RegionUpscaler)
    assert upscaler(Tiny()).parallel == 2
    assert upscaler(Tiny()).use.backend == "test"


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2), (17, 13), (48, 40)])
@pytest.mark.parametrize("chroma", ["gray", "420", "422", "444"])
@pytest.mark.parametrize("multiple", [1, 4])
def test_every_size_gives_planes_of_the_wanted_size(
    size: tuple[int, int], chroma: ChromaFormat, multiple: int
) -> None:
    picture = noise(1, size, chroma)
    for network in (Tiny(2, multiple), Tiny(2, multiple, exact=False)):
        wanted = (2 * size[0], 2 * size[1])
        result = upscaler(network).upscale(picture, wanted, YUV420P10, LIMITED)
        assert [plane.shape for plane in result.planes] == [wanted[::-1], *[size[::-1]] * 2]
        assert result.planes[0].dtype == np.uint16


@pytest.mark.parametrize("chroma", ["gray", "444"])
@pytest.mark.parametrize("multiple", [1, 4])
@pytest.mark.parametrize("pixels", [WHOLE, 1600, 300])
def test_a_network_that_changes_nothing_gives_the_same_codes(
    chroma: ChromaFormat, multiple: int, pixels: int
) -> None:
    layout = PixelLayout(chroma=chroma, depth=8)
    soft = [
        100 + plane % 40 if number == 0 else 120 + plane % 16
        for number, plane in enumerate(noise(2, (45, 39), chroma).planes)
    ]
    picture = Picture(tuple(plane.astype(np.uint8) for plane in soft), layout)
    assert (
        upscaler(Identity(1, multiple), pixels).upscale(picture, (45, 39), layout, LIMITED).same_as(picture)
    )


@settings(max_examples=15)
@given(
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    pixels=st.integers(1, 4000),
    scale=st.integers(1, 3),
    multiple=st.sampled_from([1, 1, 2, 4]),
    wanted=st.tuples(st.integers(1, 130), st.integers(1, 130)),
    chroma=st.sampled_from(["gray", "420", "444"]),
)
def test_tiled_is_whole_at_every_size(
    size: tuple[int, int],
    pixels: int,
    scale: int,
    multiple: int,
    wanted: tuple[int, int],
    chroma: ChromaFormat,
) -> None:
    network, picture = Tiny(scale, multiple), noise(3, size, chroma)
    whole = upscaler(network).upscale(picture, wanted, YUV420, LIMITED)
    assert_same(upscaler(network, pixels).upscale(picture, wanted, YUV420, LIMITED), whole)


def test_tiles_are_no_larger_than_their_pixels() -> None:
    network = Tiny(2)
    engine = PlainEngine(network)
    tiled = NeuralUpscaler("tiny", "tiny-1", engine, network, pixels=1500)
    tiled.upscale(noise(4, (90, 70)), (180, 140), YUV420, LIMITED)
    assert len(engine.sizes) > 4
    assert max(width * height for width, height in engine.sizes) <= 1500


@pytest.mark.parametrize("exact", [True, False])
def test_where_memory_ends_tiles_are_halved_and_the_size_that_fits_is_remembered(exact: bool) -> None:
    network, picture = Tiny(2, exact=exact), noise(5, (180, 150))
    wanted = (360, 300)
    engine = PlainEngine(network, room=12000)
    small = NeuralUpscaler("tiny", "tiny-1", engine, network, pixels=WHOLE)
    result = small.upscale(picture, wanted, YUV420, LIMITED)
    if exact:
        assert_same(result, upscaler(network).upscale(picture, wanted, YUV420, LIMITED))
    else:
        assert largest(result, upscaler(network).upscale(picture, wanted, YUV420, LIMITED)) <= SEAM
    first = len(engine.sizes)
    assert small.upscale(picture, wanted, YUV420, LIMITED).planes[0].shape == (300, 360)
    assert len(engine.sizes) - first <= first
    assert max(width * height for width, height in engine.sizes) <= 12000


@pytest.mark.parametrize("exact", [True, False])
def test_where_the_smallest_tile_finds_no_room_the_error_says_so(exact: bool) -> None:
    with pytest.raises(OutOfMemoryError):
        upscaler(Tiny(2, exact=exact), room=100).upscale(noise(6, (48, 40)), (96, 80), YUV420, LIMITED)


@pytest.mark.parametrize(
    ("wanted", "passes"), [((96, 80), 1), ((97, 81), 2), ((144, 80), 1), ((192, 160), 2), ((20, 16), 1)]
)
def test_a_size_beyond_one_pass_takes_another(wanted: tuple[int, int], passes: int) -> None:
    network = Tiny(2)
    engine = PlainEngine(network)
    NeuralUpscaler("tiny", "tiny-1", engine, network).upscale(noise(7, (48, 40)), wanted, YUV420, LIMITED)
    assert engine.sizes == [(48, 40), (96, 80)][:passes]


@pytest.mark.parametrize("pixels", [6000, 1200])
def test_two_passes_in_tiles_are_those_of_the_whole(pixels: int) -> None:
    network, picture = Tiny(2), noise(8, (47, 41))
    whole = upscaler(network).upscale(picture, (188, 164), YUV420, LIMITED)
    assert_same(upscaler(network, pixels).upscale(picture, (188, 164), YUV420, LIMITED), whole)


@st.composite
def regions(draw: st.DrawFn, size: tuple[int, int]) -> list[Rect]:
    """Disjoint parts: columns of the picture with a rectangle in each."""
    cuts = sorted(draw(st.sets(st.integers(0, size[0]), min_size=2, max_size=4)))
    found = []
    for left, right in pairwise(cuts):
        top = draw(st.integers(0, size[1] - 1))
        found.append(Rect(left, top, right, draw(st.integers(top + 1, size[1]))))
    return found


@settings(max_examples=15)
@given(
    data=st.data(),
    size=st.tuples(st.integers(2, 60), st.integers(2, 60)),
    scale=st.integers(1, 3),
    multiple=st.sampled_from([1, 1, 2]),
    wanted=st.tuples(st.integers(1, 130), st.integers(1, 130)),
)
def test_regions_are_those_of_the_whole_and_the_rest_is_as_before(
    data: st.DataObject, size: tuple[int, int], scale: int, multiple: int, wanted: tuple[int, int]
) -> None:
    network, picture = Tiny(scale, multiple), noise(9, size)
    parts = data.draw(regions(size))
    made = upscaler(network)
    whole = made.upscale(picture, wanted, YUV444, LIMITED)
    before = Picture(tuple(np.full_like(plane, 7) for plane in whole.planes), YUV444)
    mixed = made.upscale_regions(picture, before, parts, wanted, YUV444, LIMITED)
    expected = [plane.copy() for plane in before.planes]
    for part in parts:
        box = owned(part, size, wanted)
        for plane, source in zip(expected, whole.planes, strict=True):
            plane[box.top : box.bottom, box.left : box.right] = source[
                box.top : box.bottom, box.left : box.right
            ]
    assert_same(mixed, Picture(tuple(expected), YUV444))
    assert all((plane == 7).all() for plane in before.planes)


@settings(max_examples=15)
@given(
    data=st.data(),
    size=st.tuples(st.integers(2, 60), st.integers(2, 60)),
    scale=st.integers(1, 3),
    factor=st.sampled_from([1, 1.5, 2, 3.1, 4]),
    chroma=st.sampled_from(["420", "422", "444"]),
    siting=st.sampled_from(["left", "center", "topleft", "top", "bottomleft", "bottom"]),
)
def test_a_changed_pixel_reaches_no_farther_than_the_spread(
    data: st.DataObject, size: tuple[int, int], scale: int, factor: float, chroma: ChromaFormat, siting: str
) -> None:
    colour = LIMITED.model_copy(update={"siting": siting})
    picture = noise(10, size, chroma)
    at = data.draw(st.integers(0, size[0] - 1)), data.draw(st.integers(0, size[1] - 1))
    other = changed(picture, at)
    made, wanted = upscaler(Tiny(scale)), (int(size[0] * factor), int(size[1] * factor))
    spread = made.spread(picture, wanted)
    assert spread is not None
    reached = Rect(at[0] - spread, at[1] - spread, at[0] + spread + 1, at[1] + spread + 1)
    dirty = cell_area(reached, ALIGNED, 0, size)
    before = made.upscale(picture, wanted, YUV420, colour)
    assert_same(
        made.upscale_regions(other, before, [dirty], wanted, YUV420, colour),
        made.upscale(other, wanted, YUV420, colour),
    )


def test_the_spread_is_not_much_more_than_the_radius() -> None:
    spread = upscaler(Tiny(2)).spread(noise(11, (48, 40)), (96, 80))
    assert spread is not None
    assert 3 < spread <= 3 + 5 + CELL


def test_a_smaller_halo_is_computed_from_less() -> None:
    network, picture = Tiny(2), noise(12, (48, 40))
    engine = PlainEngine(network)
    made = NeuralUpscaler("tiny", "tiny-1", engine, network)
    before = made.upscale(picture, (96, 80), YUV420, LIMITED)
    made.upscale_regions(picture, before, [Rect(16, 16, 32, 24)], (96, 80), YUV420, LIMITED)
    made.upscale_regions(picture, before, [Rect(16, 16, 32, 24)], (96, 80), YUV420, LIMITED, halo=1)
    assert engine.sizes[1] == (16 + 2 * CELL + 2 * 3, 8 + 2 * CELL + 2 * 3)
    assert engine.sizes[2][0] <= 16 + 2 * (1 + RESAMPLED)
    assert engine.sizes[2][1] <= 8 + 2 * (1 + RESAMPLED)


def test_a_network_of_unknown_radius_has_no_spread_and_its_regions_are_the_whole() -> None:
    made, picture = upscaler(Tiny(2, exact=False)), noise(13, (20, 18))
    assert made.spread(picture, (40, 36)) is None
    whole = made.upscale(picture, (40, 36), YUV420, LIMITED)
    empty = Picture(tuple(np.zeros_like(plane) for plane in whole.planes), YUV420)
    assert made.upscale_regions(picture, empty, [], (40, 36), YUV420, LIMITED).same_as(whole)


@pytest.mark.parametrize("wanted", [(400, 320), (301, 247), (800, 640)])
def test_blended_tiles_hide_their_seams(wanted: tuple[int, int]) -> None:
    network, picture = Tiny(2, exact=False), noise(14, (200, 160))
    whole = upscaler(network).upscale(picture, wanted, YUV420, LIMITED)
    blended = upscaler(network, (3 * OVERLAP) ** 2).upscale(picture, wanted, YUV420, LIMITED)
    assert largest(blended, whole) <= SEAM


def test_the_seam_is_bounded_where_a_network_sees_farther_than_its_overlap() -> None:
    network, picture = Tiny(2, exact=False, wide=True), noise(14, (200, 160))
    whole = upscaler(network).upscale(picture, (400, 320), YUV420, LIMITED)
    blended = upscaler(network, (3 * OVERLAP) ** 2).upscale(picture, (400, 320), YUV420, LIMITED)
    most, mean = WIDE_SEAM
    assert 0 < largest(blended, whole) <= most
    assert np.abs(blended.planes[0].astype(float) - whole.planes[0]).mean() <= mean


@settings(max_examples=10)
@given(
    size=st.tuples(st.integers(1, 200), st.integers(90, 240)),
    wanted=st.tuples(st.integers(1, 60), st.integers(1, 480)),
    scale=st.sampled_from([1, 2]),
    siting=st.sampled_from(["left", "topleft", "bottom"]),
)
def test_blended_rows_of_tiles_join_at_every_size(
    size: tuple[int, int], wanted: tuple[int, int], scale: int, siting: str
) -> None:
    colour = LIMITED.model_copy(update={"siting": siting})
    network, picture = Identity(scale, radius=None), noise(15, size)
    whole = upscaler(network).upscale(picture, wanted, YUV420P10, colour)
    blended = upscaler(network, (3 * OVERLAP) ** 2).upscale(picture, wanted, YUV420P10, colour)
    assert largest(blended, whole) <= 1


def test_a_flat_picture_stays_flat_through_blended_tiles() -> None:
    planes = tuple(
        np.full(shape, code, np.uint8)
        for shape, code in (((160, 200), 90), ((80, 100), 110), ((80, 100), 140))
    )
    network = Identity(2, radius=None)
    result = upscaler(network, (3 * OVERLAP) ** 2).upscale(
        Picture(planes, YUV420), (400, 320), YUV420, LIMITED
    )
    assert [set(plane.ravel().tolist()) for plane in result.planes] == [{90}, {110}, {140}]


def test_several_threads_get_what_one_gets() -> None:
    made = upscaler(Tiny(2), 1500)
    pictures = [noise(seed, (48, 40)) for seed in range(6)]
    alone = [made.upscale(picture, (96, 80), YUV420, LIMITED) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda picture: made.upscale(picture, (96, 80), YUV420, LIMITED), pictures))
    assert all(one.same_as(other) for one, other in zip(alone, together, strict=True))


@given(
    source=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    wanted=st.tuples(st.integers(1, 120), st.integers(1, 120)),
    cut=st.floats(0, 1),
)
def test_every_pixel_of_a_result_belongs_to_one_part(
    source: tuple[int, int], wanted: tuple[int, int], cut: float
) -> None:
    middle = int(cut * source[0])
    left = owned(Rect(0, 0, middle, source[1]), source, wanted)
    right = owned(Rect(middle, 0, source[0], source[1]), source, wanted)
    assert (left.left, left.right, right.right) == (0, right.left, wanted[0])
    assert (left.top, left.bottom) == (0, wanted[1])
