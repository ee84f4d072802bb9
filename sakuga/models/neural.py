"""Upscalers that are a network on an engine: whole pictures, tiles, and parts equal to those of the whole."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from math import ceil
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from sakuga.errors import OutOfMemoryError
from sakuga.media.info import Colour, PixelLayout
from sakuga.media.picture import Picture, Plane
from sakuga.models.base import EngineUse, Rect
from sakuga.models.cores import on_one_core
from sakuga.models.draft import Draft
from sakuga.models.engines.base import Engine
from sakuga.models.engines.memory import device_errors, pixels_that_fit
from sakuga.models.means import cell_area, cell_side
from sakuga.models.networks.base import SuperResolver
from sakuga.models.parts import common, finished_part, joined, owned, resampling_reach
from sakuga.models.tensors import STRIP, ResultForm, fetched, to_rgb, write_part
from sakuga.models.tiles import (
    Budget,
    Size,
    blended_bands,
    exact_tiles,
    grown,
    pad_to_multiple,
    smallest_blend,
)

Result = TypeVar("Result")

CACHED = 480 * 270
"""Source pixels whose activations stay in a desktop processor's caches. Torch runs each layer over the whole
picture, and with 854x480 at once it reaches two thirds of the speed that it has with this many."""

CHROMA_REACH = 5
"""Luma samples from one under a halved chroma sample to the last that this sample is resampled to: the cubic
kernel's two chroma samples, and one for the siting."""


ALIGNED = 16
"""Sides of the cells that regions are made of, in source pixels."""


@dataclass(frozen=True)
class _Task:
    """One picture on its way: `passes` times through the network with `halo` around every part.

    Where parts are to be `exact`, colours are kept as in the whole, with cells around a part.
    """

    picture: Picture
    colour: Colour
    form: ResultForm
    passes: int
    halo: int
    exact: bool = True

    @property
    def source(self) -> Size:
        return self.picture.width, self.picture.height


class NeuralUpscaler:
    """A network on an engine, from planes to planes; several threads may use it at once.

    Networks whose radius is known are computed in tiles with halos, where the picture does not fit, and the
    result is that of the whole to the engine's steadiness. Others are computed in tiles that are blended.

    Args:
        name: as in the model's card.
        digest: what identifies weights, options and code.
        engine: runs the network.
        network: its facts; the engine has the weights.
        pixels: source pixels that are computed at once; by the free memory where None.
    """

    def __init__(
        self, name: str, digest: str, engine: Engine, network: SuperResolver, pixels: int | None = None
    ) -> None:
        self.name = name
        self.digest = digest
        self._engine = engine
        self._scale, self._multiple = int(network.scale), int(network.multiple)
        self._radius: int | None = network.radius
        self._budget = Budget(_room(engine, network) if pixels is None else pixels)

    @property
    def parallel(self) -> int:
        """As many as the engine wants under way."""
        return self._engine.parallel

    @property
    def use(self) -> EngineUse:
        """What runs it now."""
        return self._engine.use

    def close(self) -> None:
        """Give the engine's memory back."""
        self._engine.close()

    def upscale(
        self,
        picture: Picture,
        size: tuple[int, int],
        layout: PixelLayout,
        colour: Colour,
        target: Colour | None = None,
    ) -> Picture:
        """Upscale a whole picture; see `Upscaler.upscale`.

        Raises:
            OutOfMemoryError: there is no room for the smallest tile.
            DeviceError: the device failed.
        """
        task = self._task(picture, size, layout, colour, target, self._radius or 0)
        planes = _planes(size, layout)
        if self._radius is None:
            self._blend(task, planes)
        else:
            self._tile(task, Rect(0, 0, *task.source), planes)
        return Picture(planes, layout)

    def spread(self, picture: Picture, size: tuple[int, int]) -> int | None:
        """How far a changed source pixel reaches in the result; see `RegionUpscaler.spread`.

        It changes the mean colours of the cells that it reaches, and with these the shift of the cells around
        them: one more cell, in regions that begin and end at multiples of `ALIGNED` or the picture's edges.
        """
        if self._radius is None:
            return None
        source = picture.width, picture.height
        passes = self._passes(source, size)
        factor: int = self._scale**passes
        reach = sum(Fraction(self._radius, self._scale**number) for number in range(passes))
        ends = resampling_reach(source, (source[0] * factor, source[1] * factor), size)
        cell = cell_side(source, size)
        # a cell of another side does not begin where regions do
        shift = cell if ALIGNED % cell == 0 else 2 * cell - 1
        chroma = CHROMA_REACH if picture.layout.chroma in ("420", "422") else 0
        return chroma + ceil(reach + max(ends, Fraction(shift)))

    def upscale_regions(
        self,
        picture: Picture,
        before: Picture,
        regions: Sequence[Rect],
        size: tuple[int, int],
        layout: PixelLayout,
        colour: Colour,
        target: Colour | None = None,
        *,
        halo: int | None = None,
    ) -> Picture:
        """The result of `before`, computed anew in `regions`; see `RegionUpscaler.upscale_regions`.

        Raises:
            OutOfMemoryError: there is no room for the smallest tile.
            DeviceError: the device failed.
        """
        if self._radius is None:
            return self.upscale(picture, size, layout, colour, target)
        seen = self._radius if halo is None else min(halo, self._radius)
        task = replace(self._task(picture, size, layout, colour, target, seen), exact=halo is None)
        planes = tuple(plane.copy() for plane in before.planes)
        for region in regions:
            self._tile(task, region, planes)
        return Picture(planes, layout)

    def _task(
        self,
        picture: Picture,
        size: Size,
        layout: PixelLayout,
        colour: Colour,
        target: Colour | None,
        halo: int,
    ) -> _Task:
        source = picture.width, picture.height
        passes = self._passes(source, size)
        factor: int = self._scale**passes
        form = ResultForm(
            network=(source[0] * factor, source[1] * factor),
            size=size,
            layout=layout,
            colour=colour,
            full_range=(target or colour).full_range,
            grey=picture.layout.chroma == "gray",
        )
        return _Task(picture, colour, form, passes, halo)

    def _passes(self, source: Size, size: Size) -> int:
        """One, and another one while both sides are too short.

        A side that is short alone is stretched for its pixels' aspect, which is not worth a pass.
        """
        passes, factor = 1, int(self._scale)
        while self._scale > 1 and source[0] * factor < size[0] and source[1] * factor < size[1]:
            passes, factor = passes + 1, factor * self._scale
        return passes

    def _tile(self, task: _Task, region: Rect, planes: tuple[Plane, ...]) -> None:
        part = owned(region, task.source, task.form.size)
        if part.width <= 0 or part.height <= 0:
            return
        side, factor = cell_side(task.source, task.form.size), task.form.network[0] // task.source[0]
        area = cell_area(region, side, 1 if task.exact else 0, task.source)
        halo = task.halo + self._overhang(task)
        shrink = self._scale ** (2 * (task.passes - 1))
        draft = Draft(task.form, task.source, area, part, self._engine.device)

        def compute(core: Rect) -> None:
            own = Rect(*(factor * edge for edge in (core.left, core.top, core.right, core.bottom)))
            mine = common(part, owned(core, task.source, task.form.size))
            need = joined(own, task.form.needed(mine)) if mine.width and mine.height else own
            with device_errors(self._engine.use.device):
                source, result = self._part(task, need, core)
                self._convert(lambda: draft.take(*result, own, mine))
                self._convert(lambda: draft.take_source(source, (core.left, core.top)))

        for _ in exact_tiles([area], halo, task.source, self._budget, compute, shrink, side):
            pass
        self._write(draft, planes)

    def _overhang(self, task: _Task) -> int:
        """Source pixels beyond a tile's core, but for its halo, that resampling and further passes see."""
        later = sum(Fraction(task.halo, self._scale**number) for number in range(1, task.passes))
        return ceil(resampling_reach(task.source, task.form.network, task.form.size) + later)

    def _part(self, task: _Task, need: Rect, core: Rect) -> tuple[Tensor, tuple[Tensor, tuple[int, int]]]:
        """A core of the source, and a part of the network's picture, with where it begins.

        The part may hold more than `need`; `core` is within what the network is given for it.
        """
        sources = []
        for number in reversed(range(task.passes)):
            size = (task.source[0] * self._scale**number, task.source[1] * self._scale**number)
            need = self._seen(need, task.halo, size)
            sources.append(need)
        first = sources.pop()
        rgb = self._convert(lambda: to_rgb(task.picture, task.colour, self._engine.device, first))
        source = rgb[
            ...,
            core.top - first.top : core.bottom - first.top,
            core.left - first.left : core.right - first.left,
        ]
        result, at = self._run(rgb), (first.left * self._scale, first.top * self._scale)
        while sources:
            area = sources.pop()
            down, across = area.top - at[1], area.left - at[0]
            rgb = result[..., down : down + area.height, across : across + area.width].clamp(0, 1)
            result, at = self._run(rgb), (area.left * self._scale, area.top * self._scale)
        return source, (result, at)

    def _seen(self, need: Rect, halo: int, size: Size) -> Rect:
        """What the network is given for pixels of its result: all it sees, from a multiple to a multiple."""
        scale, multiple = self._scale, self._multiple
        area = Rect(need.left // scale, need.top // scale, -(-need.right // scale), -(-need.bottom // scale))
        area = grown(area, halo, size)
        begins, ends = [], []
        for begin, end, side in ((area.left, area.right, size[0]), (area.top, area.bottom, size[1])):
            end = min(side, -(-end // multiple) * multiple)
            # padding mirrors up to a multiple of pixels at the end
            begins.append(max(0, min(begin, end - multiple)) // multiple * multiple)
            ends.append(end)
        return Rect(*begins, *ends)

    def _blend(self, task: _Task, planes: tuple[Plane, ...]) -> None:
        while True:
            pixels = self._budget.pixels
            try:
                with device_errors(self._engine.use.device):
                    self._blend_once(task, pixels, planes)
                return
            except OutOfMemoryError:
                tried = min(pixels, task.source[0] * task.source[1] * self._scale ** (2 * task.passes - 2))
                if tried <= smallest_blend():
                    raise
                self._budget.halve(tried)

    def _blend_once(self, task: _Task, pixels: int, planes: tuple[Plane, ...]) -> None:
        size, whole = task.source, None
        for number in range(task.passes):

            def compute(area: Rect, whole: Tensor | None = whole) -> Tensor:
                if whole is not None:
                    rgb = whole[..., area.top : area.bottom, area.left : area.right]
                else:
                    rgb = self._convert(lambda: to_rgb(task.picture, task.colour, self._engine.device, area))
                return self._run(rgb)

            bands = blended_bands(size, self._scale, pixels, compute, self._multiple)
            if number < task.passes - 1:
                whole = torch.cat([band for _, band in bands], 2).clamp_(0, 1)
                size = size[0] * self._scale, size[1] * self._scale
        whole_source = Rect(0, 0, *task.source)
        draft = Draft(task.form, task.source, whole_source, Rect(0, 0, *task.form.size), self._engine.device)
        self._convert(lambda: self._take_source(task, draft))
        done, held, top = 0, None, 0
        for first, band in bands:
            held = band if held is None else torch.cat([held, band], 2)
            bottom = first + band.shape[2]
            part = finished_part(task.form, done, bottom)
            own = Rect(0, first, task.form.network[0], bottom)
            self._convert(partial(draft.take, held, (0, top), own, part))
            done = part.bottom
            # two rows: the chroma of the second may reach higher than the luma of the first
            if done < task.form.size[1]:
                width, height = task.form.size
                next_top = task.form.needed(Rect(0, done, width, min(done + 2, height))).top
                held, top = held[:, :, next_top - top :], next_top
        self._write(draft, planes)

    def _take_source(self, task: _Task, draft: Draft) -> None:
        width, height = task.source
        for top in range(0, height, STRIP):
            area = Rect(0, top, width, min(top + STRIP, height))
            draft.take_source(to_rgb(task.picture, task.colour, self._engine.device, area), (0, top))

    def _run(self, rgb: Tensor) -> Tensor:
        height, width = rgb.shape[2] * self._scale, rgb.shape[3] * self._scale
        return self._engine.run(pad_to_multiple(rgb, self._multiple))[..., :height, :width]

    def _convert(self, work: Callable[[], Result]) -> Result:
        return on_one_core(work) if self._engine.device.type == "cpu" else work()

    def _write(self, draft: Draft, planes: tuple[Plane, ...]) -> None:
        with device_errors(self._engine.use.device):
            codes = fetched(self._convert(draft.planes))
        for plane, values, box in zip(planes, codes, draft.boxes, strict=True):
            write_part(plane, values, box)


def _room(engine: Engine, network: SuperResolver) -> int:
    room = pixels_that_fit(engine, network)
    if network.radius is None:
        # where blended tiles begin shows a little: with about as much memory they begin at the same places
        return 1 << (room.bit_length() - 1)
    return min(room, CACHED) if engine.device.type == "cpu" and engine.use.backend == "torch" else room


def _planes(size: Size, layout: PixelLayout) -> tuple[Plane, ...]:
    shapes = [size] if layout.chroma == "gray" else [size, *[layout.chroma_size(*size)] * 2]
    dtype = np.uint8 if layout.depth == 8 else np.uint16
    return tuple(np.zeros(shape[::-1], dtype) for shape in shapes)
