"""What a machine's arithmetic reaches at its best, and what networks ask of it."""

import copy
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from sakuga.models.networks.base import SuperResolver

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
SECONDS = 1.5
"""For each measurement, of which the fastest run counts."""

COUNTED_SIDE = 32
"""Pixels; the count for one pixel does not depend on it."""


def work_of(network: SuperResolver) -> float:
    """Floating-point operations for one source pixel: two for each product that a convolution adds up."""
    shadow = copy.deepcopy(network).to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shadow(torch.empty(1, 3, COUNTED_SIDE, COUNTED_SIDE, device="meta"))
    return float(counter.get_total_flops()) / COUNTED_SIDE**2


def matrix_speed(device: str, precision: str, side: int) -> float:
    """Operations per second of a product of two square matrices."""
    left, right = (torch.randn(side, side, device=device).to(DTYPES[precision]) for _ in range(2))
    return 2 * side**3 / _fastest(lambda: left @ right, device)


def convolution_speed(device: str, precision: str, channels: int = 256, side: int = 128) -> float:
    """Operations per second of a convolution of 1 x 1, which is a matrix product in a network's layout."""
    dtype, form = DTYPES[precision], torch.channels_last
    picture = torch.randn(1, channels, side, side, device=device).to(dtype, memory_format=form)
    kernel = torch.randn(channels, channels, 1, 1, device=device).to(dtype, memory_format=form)
    return 2 * channels**2 * side**2 / _fastest(lambda: functional.conv2d(picture, kernel), device)


def wait_for(device: str) -> None:
    """Until a GPU has done all that it was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device == "mps":
        torch.mps.synchronize()


def _fastest(work: Callable[[], Tensor], device: str) -> float:
    best, end = float("inf"), time.monotonic() + SECONDS
    with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
        while time.monotonic() < end:
            wait_for(device)
            begun = time.perf_counter()
            work()
            wait_for(device)
            best = min(best, time.perf_counter() - begun)
    return best
