"""Whole pictures of fields: in time with bwdif, in space along edges, and by weaving."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, Literal

import av
import av.filter
import cv2
import numpy as np
from numpy.typing import NDArray

from sakuga.errors import ContractError
from sakuga.media.info import PixelLayout
from sakuga.media.picture import Picture, Plane

Whole = NDArray[np.int32]

CONTEXT = 2
"""Decoded frames that bwdif needs on both sides of a frame: it looks one frame ahead and one back, and treats
the first and the last frame it ever sees on their own, so one more keeps those out of the result."""

MIN_LINES = 8
"""bwdif refuses planes of less than four lines, and the chroma planes of 4:2:0 have half the lines."""

GREY_10 = PixelLayout(chroma="gray", depth=10)

EDGE_REACH = 2
"""How far an edge may lean, in samples each way, when missing lines are interpolated along it."""


def to_frame(picture: Picture) -> av.VideoFrame:
    """The picture as a frame of PyAV, copied."""
    frame = av.VideoFrame(picture.width, picture.height, picture.layout.pix_fmt)
    for plane, target in zip(picture.planes, frame.planes, strict=True):
        lines = np.frombuffer(memoryview(target), plane.dtype).reshape(target.height, -1)
        lines[:, : plane.shape[1]] = plane
    return frame


def from_frame(frame: av.VideoFrame, layout: PixelLayout) -> Picture:
    """The frame's samples as a picture, copied; the frame must already have this layout."""
    if frame.format.name != layout.pix_fmt:
        raise ContractError(f"A frame is {frame.format.name} where {layout.pix_fmt} was promised.")
    dtype: Any = np.uint8 if layout.depth == 8 else np.uint16
    planes: list[Plane] = []
    for source in frame.planes:
        lines = np.frombuffer(memoryview(source), dtype).reshape(source.height, -1)
        planes.append(lines[:, : source.width].copy())
    return Picture(tuple(planes), layout)


def bwdif(
    pictures: Iterable[Picture], *, top_field_first: bool, mode: Literal["field", "frame"]
) -> Iterator[Picture]:
    """Deinterlaced pictures: two for each given picture (`field`, in order of time), or one (`frame`).

    The first and the last given picture are deinterlaced in space only, because they have no neighbour.
    """
    graph: av.filter.Graph | None = None
    for number, picture in enumerate(pictures):
        if min(picture.planes[-1].shape[0], picture.height) < MIN_LINES // 2:
            yield from _small(picture, top_field_first, mode)
            continue
        graph = graph or _graph(_accepted(picture), top_field_first, mode)
        frame = to_frame(_accepted(picture))
        frame.pts, frame.time_base = number, Fraction(1, 1000)
        graph.vpush(frame)
        yield from _pull(graph, picture.layout)
        layout = picture.layout
    if graph:
        graph.vpush(None)
        yield from _pull(graph, layout)


def weave(top: Picture, bottom: Picture) -> Picture:
    """The even lines of one picture and the odd lines of another."""
    if top is bottom:
        return top
    planes = tuple(plane.copy() for plane in top.planes)
    for plane, other in zip(planes, bottom.planes, strict=True):
        plane[1::2] = other[1::2]
    return Picture(planes, top.layout)


def fill_bottom_field(picture: Picture) -> Picture:
    """The picture with its odd lines interpolated from the even ones.

    Each sample is taken along the direction, of those that lean at most `EDGE_REACH` samples, in which the
    lines above and below agree best; upright ones by the cubic (-1, 9, 9, -1) / 16.
    """
    return Picture(tuple(_fill(plane, picture.layout.depth) for plane in picture.planes), picture.layout)


def _graph(picture: Picture, top_field_first: bool, mode: str) -> av.filter.Graph:
    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=picture.width,
        height=picture.height,
        format=av.VideoFormat(picture.layout.pix_fmt, picture.width, picture.height),
        time_base=Fraction(1, 1000),
    )
    parity = "tff" if top_field_first else "bff"
    deinterlace = graph.add("bwdif", f"mode=send_{mode}:parity={parity}:deint=all")
    graph.link_nodes(source, deinterlace, graph.add("buffersink")).configure()
    return graph


def _pull(graph: av.filter.Graph, layout: PixelLayout) -> Iterator[Picture]:
    while True:
        try:
            frame = graph.vpull()
        except (BlockingIOError, EOFError):
            return
        assert isinstance(frame, av.VideoFrame)
        yield from_frame(frame, layout) if layout != GREY_10 else _luma(frame)


def _accepted(picture: Picture) -> Picture:
    """The picture as bwdif takes it: it knows no grey of 10 bits, which goes as the planes of 4:4:4."""
    if picture.layout != GREY_10:
        return picture
    return Picture(picture.planes * 3, PixelLayout(chroma="444", depth=10))


def _luma(frame: av.VideoFrame) -> Picture:
    return Picture(from_frame(frame, PixelLayout(chroma="444", depth=10)).planes[:1], GREY_10)


def _small(picture: Picture, top_field_first: bool, mode: str) -> Iterator[Picture]:
    from_top = fill_bottom_field(picture)
    if mode == "frame":
        yield from_top
        return
    # moved up by a line, the bottom field lies where the top field was
    filled = fill_bottom_field(Picture(tuple(_move(plane, 1) for plane in picture.planes), picture.layout))
    from_bottom = Picture(tuple(_move(plane, -1) for plane in filled.planes), picture.layout)
    yield from (from_top, from_bottom) if top_field_first else (from_bottom, from_top)


def _move(plane: Plane, up: int) -> Plane:
    lines = np.clip(np.arange(plane.shape[0]) + up, 0, plane.shape[0] - 1)
    moved: Plane = plane[lines]
    return moved


def _fill(plane: Plane, depth: int) -> Plane:
    kept = plane[0::2].astype(np.int32)
    missing = plane.shape[0] // 2
    if not missing:
        return plane
    padded = np.pad(kept, ((1, 2), (0, 0)), mode="edge")
    above, below = padded[1 : 1 + missing], padded[2 : 2 + missing]
    far = padded[:missing] + padded[3 : 3 + missing]
    best = np.clip((9 * (above + below) - far + 8) >> 4, 0, (1 << depth) - 1)
    least = _disagreement(above, below)
    for lean in range(1, EDGE_REACH + 1):
        for sign in (-lean, lean):
            one, other = _shift(above, sign), _shift(below, -sign)
            # a leaning direction must be better by a margin, or flat noise would pull lines sideways
            cost = _disagreement(one, other) + (lean << (depth - 7))
            better = cost < least
            best = np.where(better, (one + other + 1) >> 1, best)
            least = np.where(better, cost, least)
    result = plane.copy()
    result[1::2] = best.astype(plane.dtype)
    return result


def _shift(lines: Whole, by: int) -> Whole:
    columns = np.clip(np.arange(lines.shape[1]) + by, 0, lines.shape[1] - 1)
    return lines[:, columns]


def _disagreement(above: Whole, below: Whole) -> Whole:
    difference = np.abs(above - below).astype(np.float32)
    total = cv2.boxFilter(difference, -1, (3, 1), normalize=False, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(total).astype(np.int32)
