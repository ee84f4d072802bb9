"""Resampling of planes that lie on any device, whole or a part, with the same bits.

The taps are those of `sakuga.media.kernels`. Sums are made tap by tap over whole rows, never by a matrix
product, whose order of sums would depend on the shape: a part then equals the same part of the whole.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor

import numpy as np
import torch
from torch import Tensor

from sakuga.media.kernels import RADIUS, Axis, kernel_weights

FEW = 8
"""Phases up to which each has its own sum over rows at a constant stride; beyond, rows are gathered."""

NOTHING = 1e-9
"""A weight below this is a zero of the kernel that double precision missed."""


@dataclass(frozen=True)
class Phases:
    """The taps of an axis: output sample `phases * n + p` begins at input sample `first[p] + stride * n`."""

    stride: int
    first: tuple[int, ...]
    weights: tuple[tuple[float, ...], ...]


@lru_cache(maxsize=64)
def phases_of(axis: Axis) -> Phases:
    """The periodic taps of an axis; weights of a sample sum to 1."""
    widen, radius = max(axis.step, Fraction(1)), support(axis)
    first, weights = [], []
    for phase in range(axis.step.denominator):
        position = axis.first + phase * axis.step
        begin = ceil(position - radius)
        taps = range(begin, floor(position + radius) + 1)
        values = kernel_weights(axis.kernel, np.array([float((tap - position) / widen) for tap in taps]))
        used = np.flatnonzero(np.abs(values) > NOTHING)
        values = values[used[0] : used[-1] + 1]
        first.append(begin + int(used[0]))
        weights.append(tuple((values / values.sum()).tolist()))
    return Phases(axis.step.numerator, tuple(first), tuple(weights))


def support(axis: Axis) -> Fraction:
    """How far from an output sample its outermost input samples are, in input samples."""
    return Fraction(0) if axis.identity else RADIUS[axis.kernel] * max(axis.step, Fraction(1))


def reach(axis: Axis, begin: int, end: int) -> tuple[int, int]:
    """First and end of the input samples that output samples from `begin` up to `end` are made of.

    A little more than is needed where the axis has few phases: whole periods are computed.
    """
    low, high = _reach(axis, begin, end)
    last = axis.size_in - 1
    return min(max(low, 0), last), min(max(high - 1, 0), last) + 1


def resample_part(
    planes: Tensor, rows: Axis, columns: Axis, part: tuple[slice, slice], at: tuple[int, int]
) -> Tensor:
    """A part of resampled planes; beyond the picture's edges the edge samples repeat.

    Args:
        planes: samples in fp32 of shape (..., height, width), at least those of `reach`.
        rows: the resampling down.
        columns: the resampling across.
        part: rows and columns of the result that are wanted.
        at: row and column of the picture that the first sample of `planes` is.

    Returns:
        fp32 of shape (..., rows of the part, columns of the part).
    """
    down = _rows(planes, rows, part[0].start, part[0].stop, at[0])
    return _columns(down, columns, part[1].start, part[1].stop, at[1])


def _reach(axis: Axis, begin: int, end: int) -> tuple[int, int]:
    taps = phases_of(axis)
    count = len(taps.first)
    if count > FEW:
        # not by the taps: a sample that lies on an input sample has one, its neighbours have more
        first, last = axis.first + begin * axis.step, axis.first + (end - 1) * axis.step
        return ceil(first - support(axis)), floor(last + support(axis)) + 1
    begin, end = begin // count, (end - 1) // count
    low = min(taps.first) + begin * taps.stride
    high = max(tap + len(weights) for tap, weights in zip(taps.first, taps.weights, strict=True))
    return low, high + end * taps.stride


def _tap(taps: Phases, place: int) -> int:
    period, phase = divmod(place, len(taps.first))
    return taps.first[phase] + period * taps.stride


def _rows(planes: Tensor, axis: Axis, begin: int, end: int, at: int) -> Tensor:
    if axis.identity:
        return planes[..., begin - at : end - at, :]
    if axis.step.denominator > FEW:
        return _gathered(planes, axis, begin, end, at)
    taps, (low, high) = phases_of(axis), _reach(axis, begin, end)
    planes = _padded(planes, at - low, high - at - planes.shape[-2], -2)
    offset = max(low - at, 0)
    count = len(taps.first)
    first, last = begin // count, (end - 1) // count
    out = planes.new_empty((*planes.shape[:-2], (last - first + 1) * count, planes.shape[-1]))
    for phase in range(count):
        result = out[..., phase::count, :]
        start = _tap(taps, first * count + phase) - low + offset
        stop = start + (last - first) * taps.stride + 1
        for number, weight in enumerate(taps.weights[phase]):
            row = planes[..., start + number : stop + number : taps.stride, :]
            if number:
                result.add_(row, alpha=weight)
            else:
                torch.mul(row, weight, out=result)
    return out[..., begin - first * count : end - first * count, :]


def _columns(planes: Tensor, axis: Axis, begin: int, end: int, at: int) -> Tensor:
    if axis.identity:
        return planes[..., begin - at : end - at]
    if axis.step.denominator > FEW:
        across = planes.transpose(-1, -2).contiguous()
        return _gathered(across, axis, begin, end, at).transpose(-1, -2).contiguous()
    taps, (low, high) = phases_of(axis), _reach(axis, begin, end)
    planes = _padded(planes, at - low, high - at - planes.shape[-1], -1)
    offset = max(low - at, 0)
    count, stride = len(taps.first), taps.stride
    first, last = begin // count, (end - 1) // count
    # each of the strided columns once as contiguous rows, so that every tap runs at full speed
    every = [planes[..., offset + lane :: stride].contiguous() for lane in range(stride)]
    results = []
    for phase in range(count):
        start, result = _tap(taps, first * count + phase) - low, None
        for number, weight in enumerate(taps.weights[phase]):
            begun, lane = divmod(start + number, stride)
            row = every[lane][..., begun : begun + last - first + 1]
            result = row * weight if result is None else result.add_(row, alpha=weight)
        assert result is not None
        results.append(result)
    out = results[0] if count == 1 else torch.stack(results, -1).flatten(-2)
    return out[..., begin - first * count : end - first * count]


def _gathered(planes: Tensor, axis: Axis, begin: int, end: int, at: int) -> Tensor:
    places, weights = _table(axis, planes.device)
    out = None
    for number in range(len(places)):
        rows = planes.index_select(-2, places[number, begin:end] - at)
        rows.mul_(weights[number, begin:end, None])
        out = rows if out is None else out.add_(rows)
    assert out is not None
    return out


@lru_cache(maxsize=64)
def _table(axis: Axis, device: torch.device) -> tuple[Tensor, Tensor]:
    """Input samples and weights of every output sample, both (taps, samples)."""
    taps = phases_of(axis)
    longest = max(len(weights) for weights in taps.weights)
    table = np.array([weights + (0.0,) * (longest - len(weights)) for weights in taps.weights], np.float32)
    output = np.arange(axis.size_out)
    period, phase = np.divmod(output, len(taps.first))
    begin = np.array(taps.first)[phase] + period * taps.stride
    # a tap that pads a shorter row stays on its last sample, which is certainly there
    ends = np.array([len(weights) for weights in taps.weights])[phase] - 1
    places = begin + np.minimum(np.arange(longest)[:, None], ends)
    places = np.clip(places, 0, axis.size_in - 1)
    return torch.from_numpy(places).to(device), torch.from_numpy(table[phase].T.copy()).to(device)


def _padded(planes: Tensor, before: int, after: int, dim: int) -> Tensor:
    """Planes with their edge samples repeated; negative counts add nothing."""
    parts = [planes]
    if before > 0:
        parts.insert(0, _edge(planes, 0, before, dim))
    if after > 0:
        parts.append(_edge(planes, planes.shape[dim] - 1, after, dim))
    return torch.cat(parts, dim) if len(parts) > 1 else planes


def _edge(planes: Tensor, place: int, count: int, dim: int) -> Tensor:
    shape = list(planes.shape)
    shape[dim] = count
    return planes.narrow(dim, place, 1).expand(shape)
