"""Pairs of a truth and its source, made once and kept in files that are mapped into memory."""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sakuga.errors import InputError
from sakuga.media.kernels import Floats
from sakuga.models.processes import cpus
from training.coding import Planes
from training.degrade import FRAMES, SCALE, Degradation, degraded, draw
from training.drawings import drawing
from training.leaves import leaves
from training.peers import Enlarge, peer
from training.recipes import Recipe
from training.saying import Say, nothing
from training.sources import Sources
from training.still import Still, from_rgb, luma_codes

TILE = 320
"""Side of a truth in samples; training cuts its patches out of these."""

SHRINKS = (1.0, 1.0, 1.0, 1.4, 2.0)
"""How much smaller the pictures are taken before they are the truth: lines of all weights are learned."""

MOTION = 6
"""Samples of the source that a picture moves between two frames at the most."""

MARGIN = SCALE * MOTION * (FRAMES - 1)
"""What a picture needs around a tile to move, in samples of the truth."""

VERSION = 2
"""Of what is made here; raised whenever other pairs would come out."""

CHECKED = 48
"""Pairs of pictures that are kept out, to follow training by."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Truths of shape (pairs, side, side) and their sources of half the side, luma codes in limited range.

    Attributes:
        truth: of each pair.
        source: of each pair.
        kinds: what was done to each, in a word.
    """

    truth: NDArray[np.uint8]
    source: NDArray[np.uint8]
    kinds: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Prepared:
    """Pairs to train on, and pairs of pictures that are kept out of training."""

    training: Pairs
    checks: Pairs


def prepare(sources: Sources | None, recipe: Recipe, folder: Path, say: Say = nothing) -> Prepared:
    """Make all pairs, or find them made.

    The same sources and recipe give the same pairs, to the bit.

    Args:
        sources: the pictures; without any, all pairs are of drawings.
        recipe: how many pairs, of what, from which seed.
        folder: where the pairs of each recipe and sources are kept.
        say: called with a line for each step.
    """
    if sources is None and recipe.drawings < 1:
        raise InputError(f"The recipe {recipe.name} learns from pictures too; name a folder of them.")
    text = f"{VERSION} {recipe.pairs_key()} {sources.digest() if sources else 'drawings'}"
    place = folder / hashlib.sha256(text.encode()).hexdigest()[:16]
    if not (place / "kinds.json").exists():
        part = place.with_name(f"{place.name}.part-{os.getpid()}")
        part.mkdir(parents=True)
        try:
            _make(sources, recipe, part, say)
            shutil.rmtree(place, ignore_errors=True)
            part.rename(place)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    kinds = json.loads((place / "kinds.json").read_text())
    return Prepared(*(_opened(place, name, kinds[name]) for name in ("training", "checks")))


def _opened(place: Path, name: str, kinds: Sequence[str]) -> Pairs:
    truth, source = (np.load(place / f"{name}-{part}.npy", mmap_mode="r") for part in ("truth", "source"))
    return Pairs(truth, source, tuple(kinds))


def _make(sources: Sources | None, recipe: Recipe, place: Path, say: Say) -> None:
    kinds: dict[str, list[str]] = {}
    teacher = peer(recipe.teacher) if recipe.teacher else None
    for name, count in (("training", recipe.pairs), ("checks", CHECKED)):
        checks = name == "checks"
        stills = [source.still for source in (sources.used if sources else ()) if source.held_out == checks]
        shape = count, TILE, TILE
        truth = np.lib.format.open_memmap(place / f"{name}-truth.npy", "w+", np.uint8, shape)
        source = np.lib.format.open_memmap(
            place / f"{name}-source.npy", "w+", np.uint8, (count, TILE // SCALE, TILE // SCALE)
        )
        kinds[name] = []
        make = partial(_one, stills, recipe, checks, teacher)
        with ThreadPoolExecutor(cpus()) as threads:
            for number, (kind, *pair) in enumerate(threads.map(make, range(count))):
                truth[number], source[number] = pair
                kinds[name].append(kind)
                if (number + 1) % 200 == 0:
                    say(f"pairs for {name}: {number + 1} of {count}")
        truth.flush()
        source.flush()
    (place / "kinds.json").write_text(json.dumps(kinds))


def _one(
    stills: Sequence[Still], recipe: Recipe, checks: bool, teacher: Enlarge | None, number: int
) -> tuple[str, NDArray[np.uint8], NDArray[np.uint8]]:
    random = np.random.default_rng([recipe.seed, VERSION, checks, number])
    how = draw(random, recipe.clean)
    large = _picked(stills, recipe, checks, number, random)
    truth, planes = _pair(large, how, random)
    return how.kind, luma_codes(teacher(planes) if teacher else truth), planes[0]


def _picked(stills: Sequence[Still], recipe: Recipe, checks: bool, number: int, random: Generator) -> Still:
    """A picture a little larger than a tile, so that it can move."""
    side = TILE + 2 * MARGIN
    # what the code makes for checks is none of training's
    seed, share = 2 * number + checks, random.random()
    if share < recipe.leaves:
        return from_rgb(leaves(seed, side))
    if not stills or share < recipe.leaves + recipe.drawings:
        return from_rgb(drawing(seed, side))
    areas = np.array([still.luma.size for still in stills], float)
    still = stills[random.choice(len(stills), p=areas / areas.sum())]
    shrink = min(SHRINKS[random.integers(len(SHRINKS))], min(still.size) / side)
    if shrink > 1:
        width, height = (int(length / shrink) // 2 * 2 for length in still.size)
        still = still.resized(width, height, "area")
    return _windowed(still, side, random)


def _windowed(still: Still, side: int, random: Generator) -> Still:
    """A square out of a picture; of one that is smaller, its edges repeat."""
    width, height = still.size
    left = 2 * int(random.integers(0, max(0, width - side) // 2 + 1))
    top = 2 * int(random.integers(0, max(0, height - side) // 2 + 1))
    part = still.cut(left, top, min(side, width), min(side, height))
    more = side - part.size[1], side - part.size[0]
    if not any(more):
        return part
    luma = np.pad(part.luma, ((0, more[0]), (0, more[1])), "symmetric")
    halves = (0, more[0] // 2), (0, more[1] // 2)
    return Still(luma, np.stack([np.pad(plane, halves, "symmetric") for plane in part.chroma]))


def _pair(large: Still, how: Degradation, random: Generator) -> tuple[Floats, Planes]:
    wanted, frames = 0, 1
    if how.moves:
        wanted, frames = int(random.integers(1, FRAMES)), FRAMES
    # by even samples of the source, so that chroma moves by whole samples too
    step = (
        2 * random.integers(-MOTION // 2, MOTION // 2 + 1, 2) if random.random() < 0.7 else np.zeros(2, int)
    )
    cuts = []
    for number in range(frames):
        left, top = (MARGIN + SCALE * step * (number - wanted)).tolist()
        cuts.append(large.cut(left, top, TILE, TILE))
    planes = degraded(cuts, how, random)[wanted]
    return cuts[wanted].luma, planes
