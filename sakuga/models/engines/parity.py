"""How far a result in half precision is from the one in fp32."""

import math

import numpy as np
import torch
from torch import Tensor

PARITY_DB = 48.0
"""PSNR that half precision must reach against fp32: a root mean square error of one 8-bit step, which nobody
sees. Real-ESRGAN's compact networks reach 55 to 64 dB in bf16, deep ones with random weights 50."""


def parity(result: Tensor, exact: Tensor) -> float:
    """PSNR in dB of a result against the same in fp32, both cut to 0 to 1; peak is 1.

    Infinite where they are equal; minus infinite where the result has infinities or NaN that fp32 has not.
    """
    if not bool(torch.isfinite(result).all()):
        return -math.inf if bool(torch.isfinite(exact).all()) else math.inf
    squares = (result.clamp(0, 1) - exact.clamp(0, 1)).square()
    # rows first: Apple's GPUs have no double precision
    error = float(squares.mean(-1).cpu().mean(dtype=torch.float64))
    return math.inf if error == 0 else -10 * math.log10(error)


def probe(width: int, height: int, multiple: int = 1) -> Tensor:
    """A picture with edges, gradients and noise, always the same, to compare and to time engines with.

    Returns:
        fp32 of shape (1, 3, height, width), from 0 to 1; sides are made multiples of `multiple`.
    """
    width, height = (max(1, -(-side // multiple)) * multiple for side in (width, height))
    down, across = np.mgrid[0:height, 0:width]
    gradient = across / max(1, width - 1)
    board = ((across // 5 + down // 7) % 2).astype(float)
    noise = np.random.default_rng(1).random((height, width))
    rgb = np.stack([(gradient + board) / 2, board * 0.8 + 0.1, (gradient + noise) / 2])
    return torch.from_numpy(rgb[None].astype(np.float32))
