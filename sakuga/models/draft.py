"""A part of a result before it is rounded: its samples, and how its mean colours differ from the source's."""

from collections.abc import Iterator

import torch
from torch import Tensor

from sakuga.media.colour import luma_shares
from sakuga.models.base import Rect
from sakuga.models.engines.memory import empty_on_host
from sakuga.models.means import Surface, cell_side, cell_sums, surface_of
from sakuga.models.parts import joined, owned
from sakuga.models.tensors import STRIP, ResultForm
from sakuga.models.tiles import Size


class Draft:
    """Takes a network's picture piece by piece, and gives the planes of a part of the result.

    Networks shift colours, by the content: realesr-animevideov3 makes pictures 0.1 to 4.9 of 255 brighter.
    The planes are therefore shifted smoothly until every cell has the mean colour of the source's. For
    pictures that were made smaller by area, to a half and to a quarter, this gains 1.0 and 0.3 dB of luma on
    drawings, 0.5 and 0.2 dB on photographs (no picture loses), for 7 to 10 ms at 1708x960 on one core.

    Args:
        form: of the result.
        source: width and height of the source.
        area: source pixels whose cells are known in the end, from cell to cell. Where it ends before the
            picture does, the shift of its outermost cells goes on.
        part: the part, in luma samples of the result.
        device: where the network's picture is.
    """

    def __init__(self, form: ResultForm, source: Size, area: Rect, part: Rect, device: torch.device) -> None:
        self.part = part
        self._form, self._source, self._device = form, source, device
        self._factor = form.network[0] // source[0]
        self._side = cell_side(source, form.size)
        self._first = area.top // self._side, area.left // self._side
        cells = -(-area.bottom // self._side) - self._first[0], -(-area.right // self._side) - self._first[1]
        # of the source, and of the network's picture; luma, and blue's and red's differences from it
        self._sums = torch.zeros((2, 3 if form.has_colour else 1, *cells), device=device)
        self._samples = [
            empty_on_host(box.height, box.width)
            if device.type == "cpu"
            else torch.empty((box.height, box.width), device=device)
            for box in form.boxes(part)[: self._sums.shape[1]]
        ]

    @property
    def boxes(self) -> list[Rect]:
        """The part in the samples of each plane."""
        return self._form.boxes(self.part)

    def take_source(self, rgb: Tensor, at: tuple[int, int]) -> None:
        """Count pixels of the source; each pixel of the area is given once.

        Args:
            rgb: as the network sees it, of shape (1, 3, height, width).
            at: column and row of its first pixel.
        """
        sums = cell_sums(rgb[0], (at[1], at[0]), self._side)
        kr, kg, kb = luma_shares(self._form.colour.matrix)
        luma = sums[0] * kr + sums[1] * kg + sums[2] * kb
        self._add(0, torch.stack([luma, sums[2] - luma, sums[0] - luma]), at, self._side)

    def take(self, rgb: Tensor, at: tuple[int, int], own: Rect, part: Rect) -> None:
        """Make samples of a part of the result, and count pixels of the network's picture.

        Args:
            rgb: of shape (1, 3, height, width), not yet cut to 0 to 1; holds what `own` and `part` need.
            at: column and row of the network's picture that the first pixel of `rgb` is.
            own: what is counted; each pixel of the area once, and the same pixels of a cell together where
                results shall be equal to the bit.
            part: what is made of it, in luma samples of the result.
        """
        for rows, strip in self._strips(own, part):
            self._take(rgb[0], at, rows, strip)

    def planes(self) -> tuple[Tensor, ...]:
        """The part's planes, as codes, when all is taken; see `ResultForm.codes`."""
        surfaces = [self._surface(number) for number in range(len(self._samples))]
        boxes = self.boxes
        planes = [
            torch.empty((box.height, box.width), dtype=self._form.dtype, device=self._device) for box in boxes
        ]
        rows = STRIP if self._device.type == "cpu" else self.part.height
        for top in range(self.part.top, self.part.bottom, rows):
            strip = Rect(self.part.left, top, self.part.right, min(top + rows, self.part.bottom))
            places = self._form.boxes(strip)
            samples = []
            for (values, surface), box, whole, known in zip(
                surfaces, places, boxes, self._samples, strict=False
            ):
                shift = surface.rows(values, self._first[0], box.top, box.bottom)
                samples.append(shift.add_(known[box.top - whole.top : box.bottom - whole.top]))
            for plane, codes, box, whole in zip(
                planes, self._form.codes(samples, strip), places, boxes, strict=True
            ):
                plane[box.top - whole.top : box.bottom - whole.top] = codes
        return tuple(planes)

    def _strips(self, own: Rect, part: Rect) -> Iterator[tuple[Rect, Rect]]:
        """Rows of whole cells, and the rows of the result whose centres are in them."""
        cell, (width, height) = self._side * self._factor, self._form.network
        step = cell * max(1, round(STRIP * height / self._form.size[1] / cell))
        if self._device.type != "cpu":
            step = -(-height // cell) * cell
        done = part.top
        for top in range(own.top // cell * cell, own.bottom, step):
            rows = Rect(own.left, max(own.top, top), own.right, min(own.bottom, top + step))
            end = owned(Rect(0, 0, width, rows.bottom), self._form.network, self._form.size).bottom
            end = part.bottom if rows.bottom == own.bottom else min(end, part.bottom)
            yield rows, Rect(part.left, done, part.right, max(done, end))
            done = max(done, end)

    def _take(self, rgb: Tensor, at: tuple[int, int], own: Rect, part: Rect) -> None:
        makes = part.width > 0 and part.height > 0
        need = joined(own, self._form.needed(part)) if makes else own
        rgb = rgb[:, need.top - at[1] : need.bottom - at[1], need.left - at[0] : need.right - at[0]]
        luma, differences = self._form.split(
            torch.clamp(rgb, 0, 1, out=torch.empty(rgb.shape, device=rgb.device))
        )
        if makes:
            samples = self._form.samples(luma, differences, (need.top, need.left), part)
            places, wholes = self._form.boxes(part), self.boxes
            for known, values, box, whole in zip(self._samples, samples, places, wholes, strict=False):
                rows = slice(box.top - whole.top, box.bottom - whole.top)
                known[rows, box.left - whole.left : box.right - whole.left] = values
        counted = (
            slice(own.top - need.top, own.bottom - need.top),
            slice(own.left - need.left, own.right - need.left),
        )
        cell = self._side * self._factor
        sums = [
            cell_sums(planes[:, counted[0], counted[1]], (own.top, own.left), cell)
            for planes in (luma[None], differences)
        ]
        self._add(1, torch.cat([sums[0], sums[1].flip(0)]), (own.left, own.top), cell)

    def _add(self, number: int, sums: Tensor, at: tuple[int, int], side: int) -> None:
        top, left = at[1] // side - self._first[0], at[0] // side - self._first[1]
        table = self._sums[number, :, top : top + sums.shape[1], left : left + sums.shape[2]]
        table += sums[: len(table)]

    def _surface(self, number: int) -> tuple[Tensor, Surface]:
        """What is added to a plane: the shift of each row of cells at its columns, and the surface down."""
        box = self.boxes[number]
        down, across = self._form.axes(chroma=number > 0)
        (width, height), (columns, rows) = self._source, self._form.size
        surface = surface_of(across, width, columns, self._side, self._device)
        shift = surface.rows(self._shift(number).T, self._first[1], box.left, box.right).T.contiguous()
        return shift, surface_of(down, height, rows, self._side, self._device)

    def _shift(self, number: int) -> Tensor:
        """By how much the mean of each cell has to rise."""
        source, network = self._sums[:, number]
        lengths = [
            (side - torch.arange(first, first + count, device=self._device) * self._side).clamp(
                max=self._side
            )
            for side, first, count in zip(self._source[::-1], self._first, source.shape, strict=True)
        ]
        pixels = lengths[0][:, None] * lengths[1]
        return torch.sub(source, network, alpha=self._factor**-2) / pixels
