"""Means of cells and the surface that has them: right, continuous, and the same in parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakuga.media.resize import chroma_axes, luma_axes
from sakuga.models.base import Rect

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from sakuga.models.means import CELL, LEAST, cell_area, cell_side, cell_sums, surface_of  # noqa: E402

CPU = torch.device("cpu")
SUMS = 1e-5
"""Relative: sums of some hundred samples in single precision."""
STEEPEST = 4
"""Times the largest difference of neighbours: the steepest slope over a cell, 1 from border to border and 3
for the bow of its parabola."""

sizes = st.integers(1, 60)


def random(*shape: int) -> Tensor:
    values: Tensor = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    return values


def line(values: Tensor, source: int, size: int, side: int = CELL, factor: int = 2) -> Tensor:
    """The surface of cells in a row, at the luma samples of a result."""
    axis = luma_axes((1, source * factor), (1, size))[0]
    return surface_of(axis, source, size, side, CPU).rows(values[:, None], 0, 0, size)[:, 0]


@given(data=st.data(), height=sizes, width=sizes, side=st.sampled_from([8, 16, 24, 32]))
def test_sums_are_those_of_the_cells_and_the_same_in_parts(
    data: st.DataObject, height: int, width: int, side: int
) -> None:
    planes = random(2, height, width)
    sums = cell_sums(planes, (0, 0), side)
    assert list(sums.shape) == [2, -(-height // side), -(-width // side)]
    for row in range(sums.shape[1]):
        for column in range(sums.shape[2]):
            cell = planes[:, row * side : (row + 1) * side, column * side : (column + 1) * side].double()
            assert torch.allclose(sums[:, row, column].double(), cell.sum((1, 2)), rtol=SUMS)
    top = data.draw(st.integers(0, sums.shape[1] - 1))
    left = data.draw(st.integers(0, sums.shape[2] - 1))
    part = planes[:, top * side :, left * side :]
    assert torch.equal(cell_sums(part, (top * side, left * side), side), sums[:, top:, left:])


def test_a_part_of_a_cell_counts_for_that_cell() -> None:
    planes = random(1, 20, 20)
    upper, lower = cell_sums(planes[:, :11], (0, 0), 8), cell_sums(planes[:, 11:], (11, 0), 8)
    together = upper.new_zeros(1, 3, 3)
    together[:, :2] += upper
    together[:, 1:] += lower
    assert torch.allclose(together, cell_sums(planes, (0, 0), 8), rtol=SUMS)


@pytest.mark.parametrize(("source", "size"), [(64, 128), (64, 64), (61, 122), (64, 256), (60, 240)])
def test_the_surface_has_the_mean_of_every_cell(source: int, size: int) -> None:
    values = random(-(-source // CELL))
    surface = line(values, source, size)
    samples = CELL * size // source
    # the mean of a parabola at so many places, against its integral; the last cell may be narrower
    least = (source % CELL or CELL) * size // source
    for number, value in enumerate(values):
        part = surface[number * samples : (number + 1) * samples]
        assert abs(float(part.mean() - value)) <= 1 / least**2


def test_the_surface_is_continuous_over_the_borders_of_cells() -> None:
    values = random(12)
    values[5:] += 3
    surface = line(values, 96, 384)
    steepest = STEEPEST * float(values.diff().abs().max())
    assert float(surface.diff().abs().max()) <= steepest / 32
    borders = surface[32::32] - surface[31:-1:32]
    assert float(borders.abs().max()) <= steepest / 32


def test_equal_cells_make_a_flat_surface() -> None:
    assert torch.allclose(line(torch.full((9,), 0.3), 71, 150), torch.tensor(0.3))


@given(data=st.data(), source=sizes, size=st.integers(1, 120), halved=st.booleans())
def test_a_part_of_the_surface_needs_one_cell_more_on_each_side(
    data: st.DataObject, source: int, size: int, halved: bool
) -> None:
    side = cell_side((source, source), (size, size))
    network = source * 2, source * 2
    axis = chroma_axes(network, (size, size), "444", "420" if halved else "444", "left")[0]
    surface, values = surface_of(axis, source, size, side, CPU), random(-(-source // side), 3)
    begin = data.draw(st.integers(0, axis.size_out - 1))
    end = data.draw(st.integers(begin + 1, axis.size_out))
    whole = surface.rows(values, 0, 0, axis.size_out)
    first, last = max(0, int(surface.cells[begin]) - 1), int(surface.cells[end - 1]) + 1
    part = surface.rows(values[first : last + 1], first, begin, end)
    assert torch.equal(part, whole[begin:end])


@given(source=st.tuples(sizes, sizes), size=st.tuples(sizes, sizes))
def test_a_cell_holds_some_pixels_of_any_result(source: tuple[int, int], size: tuple[int, int]) -> None:
    side = cell_side(source, size)
    assert side % CELL == 0
    assert all(side * after >= LEAST * before for before, after in zip(source, size, strict=True))


def test_a_region_is_grown_to_its_cells() -> None:
    assert cell_area(Rect(17, 8, 24, 25), 8, 0, (100, 30)) == Rect(16, 8, 24, 30)
    assert cell_area(Rect(17, 8, 24, 25), 8, 1, (100, 30)) == Rect(8, 0, 32, 30)
    assert cell_side((854, 480), (1708, 960)) == CELL
