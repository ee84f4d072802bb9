"""How good a network is on pictures that it never saw, beside others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sakuga.media.kernels import Floats
from training.batches import from_codes
from training.coding import Planes
from training.degrade import FRAMES, Degradation, degraded
from training.measures import Measures, mean_of, measures
from training.networks import LumaNetwork, enlarged
from training.peers import Enlarge
from training.saying import Say, nothing
from training.still import Still, from_luma_codes

CONDITIONS: dict[str, Degradation] = {
    "area": Degradation(),
    "bilinear": Degradation(kernel="bilinear"),
    "cubic": Degradation(kernel="cubic"),
    "Lanczos": Degradation(kernel="lanczos"),
    "blur": Degradation(blur=1.0),
    "halos": Degradation(halo=0.6),
    "noise": Degradation(noise=4.0),
    "grain": Degradation(grain=4.0),
    "banding": Degradation(bands=48),
    "interlace residue": Degradation(comb=2),
    "JPEG 85": Degradation(codec="jpeg", quality=85),
    "JPEG 65": Degradation(codec="jpeg", quality=65),
    "H.264 CRF 20": Degradation(codec="h264", quality=20),
    "H.264 CRF 28": Degradation(codec="h264", quality=28),
    "MPEG-2 q 4": Degradation(codec="mpeg2", quality=4),
    "MPEG-2 q 8": Degradation(codec="mpeg2", quality=8),
}
"""What is done to the pictures, by the name in the tables; by area where no kernel is named."""

CLEAN = ("area", "bilinear", "cubic", "Lanczos")

PEERS = ("lanczos", "acnet-hdn0", "acnet-hdn1", "acnet-hdn2", "acnet-hdn3", "acnet-gan", "arnet-hdn")

PAN = 4
"""Samples of the truth by which pictures move for encoders of video, across and down."""


@dataclass(frozen=True)
class Result:
    """Of one model under one condition, over all pictures."""

    condition: str
    model: str
    measures: Measures


def evaluate(
    models: Mapping[str, Enlarge],
    pictures: Sequence[Still],
    conditions: Mapping[str, Degradation] = CONDITIONS,
    say: Say = nothing,
) -> list[Result]:
    """Measure models on pictures that are worn in all ways.

    Args:
        models: by the name in the tables.
        pictures: the truth.
        conditions: what is done to them.
        say: called with a line for each condition.
    """
    results = []
    for condition, how in conditions.items():
        found: dict[str, list[Measures]] = {name: [] for name in models}
        for number, picture in enumerate(pictures):
            planes, truth = worn(picture, how, number)
            for name, enlarge in models.items():
                found[name].append(measures(enlarge(planes), truth.luma))
        results += [Result(condition, name, mean_of(values)) for name, values in found.items()]
        best = max(results[-len(models) :], key=lambda result: result.measures.psnr)
        say(f"measured: {condition}, best {best.model} with {best.measures.psnr:.2f} dB")
    return results


def worn(picture: Still, how: Degradation, number: int) -> tuple[Planes, Still]:
    """A source made of a picture, and the truth that it shows.

    Args:
        picture: the whole truth; at its edges up to `PAN` * `FRAMES` samples are left out.
        how: what is done to it.
        number: of the picture; noise and grain come from it.
    """
    random = np.random.default_rng([0xE7A1, number])
    margin = PAN * FRAMES // 2 * 2
    width, height = ((side - margin) // 4 * 4 for side in picture.size)
    steps = range(FRAMES) if how.moves else (FRAMES - 1,)
    cuts = [picture.cut(PAN * step, PAN * step, width, height) for step in steps]
    return degraded(cuts, how, random)[-1], cuts[-1]


def network(model: LumaNetwork) -> Enlarge:
    """A network of ours, whose result is rounded to codes of 8 bits as the others' is."""

    def enlarge(planes: Planes) -> Floats:
        with torch.inference_mode():
            luma = enlarged(model, from_codes(planes[0])[None, None])[0, 0].numpy()
        codes = np.clip(np.rint(luma * 219 + 16), 0, 255).astype(np.uint8)
        return from_luma_codes(codes)

    return enlarge
