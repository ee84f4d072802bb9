"""Patches for the steps of training, each step's from the seed and its number alone."""

import numpy as np
import torch
from torch import Tensor

from training.degrade import SCALE
from training.prepare import Pairs
from training.recipes import Recipe
from training.still import LUMA


def batch(pairs: Pairs, recipe: Recipe, step: int) -> tuple[Tensor, Tensor]:
    """Patches of sources and of the truth, turned and mirrored; luma from 0 to 1 in fp32.

    Returns:
        Shapes (batch, 1, patch, patch) and (batch, 1, 2 patch, 2 patch).
    """
    random = np.random.default_rng([recipe.seed, 0xBA7C, step])
    side, whole = recipe.patch, pairs.source.shape[1]
    sources = np.empty((recipe.batch, 1, side, side), np.uint8)
    truths = np.empty((recipe.batch, 1, side * SCALE, side * SCALE), np.uint8)
    for place in range(recipe.batch):
        number = int(random.integers(len(pairs.source)))
        left, top = random.integers(0, whole - side + 1, 2).tolist()
        turn, mirror = int(random.integers(4)), bool(random.integers(2))
        source = pairs.source[number, top : top + side, left : left + side]
        truth = pairs.truth[number, SCALE * top : SCALE * (top + side), SCALE * left : SCALE * (left + side)]
        for patch, result in ((source, sources), (truth, truths)):
            turned = np.rot90(patch, turn)
            result[place, 0] = turned[:, ::-1] if mirror else turned
    return from_codes(sources), from_codes(truths)


def from_codes(codes: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Tensor:
    """Codes of limited range as luma from 0 to 1, fp32."""
    return torch.from_numpy(codes).float().sub_(LUMA.zero).div_(LUMA.span)
