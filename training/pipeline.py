"""From a folder of pictures and clips to a finished, evaluated model with its card."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sakuga.settings import Limits
from training import checkpoint
from training.card import card_of, write_card, write_weights
from training.degrade import Degradation
from training.drawings import drawing
from training.evaluate import CONDITIONS, PEERS, Result, evaluate, network
from training.networks import LumaNetwork
from training.peers import Enlarge, peer
from training.prepare import prepare
from training.recipes import Recipe
from training.saying import Say, nothing
from training.sources import Sources, find_sources
from training.still import Still, from_rgb
from training.tables import line_table, plot, psnr_table
from training.train import Machine, Training

DRAWN = 6
"""Drawings of the code that are measured on where there are no pictures."""


@dataclass(frozen=True)
class Job:
    """What is made of what, and where.

    Attributes:
        recipe: of the model.
        data: a folder of pictures and clips; None for drawings by the code alone.
        out: where everything is written.
        machine: where training runs.
        credits: whom the pictures are of, and their licences; for the card.
        peers: models that ours is measured beside.
        conditions: what is done to the pictures that are measured on.
    """

    recipe: Recipe
    data: Path | None
    out: Path
    machine: Machine = field(default_factory=Machine)
    credits: tuple[str, ...] = ()
    peers: tuple[str, ...] = PEERS
    conditions: Mapping[str, Degradation] = field(default_factory=lambda: CONDITIONS)


def make(job: Job, limits: Limits, say: Say = nothing) -> list[Result]:
    """Do everything, or what of it is not done yet, and return what was measured.

    In `out` lie in the end NAME.safetensors, NAME.json (the card), NAME.md (the tables), NAME.svg (the
    progress), log.jsonl and checkpoint.pt, and in `out`/pairs what was learned from.

    Raises:
        InputError: the folder does not hold enough; said before anything is trained.
        TrainingError: training diverged.
    """
    sources = find_sources(job.data, limits, say) if job.data else None
    pairs = prepare(sources, job.recipe, job.out / "pairs", say)
    training = Training(pairs, job.recipe, job.out, job.machine, say)
    try:
        trained = training.run()
    finally:
        draw_progress(job.recipe, job.out)
    weights = job.out / f"{job.recipe.name}.safetensors"
    shipped = write_weights(weights, trained)
    models = contestants(job.recipe.name, shipped, job.peers)
    results = evaluate(models, unseen(sources), job.conditions, say)
    card = card_of(job.recipe, shipped, weights, sources, job.credits, training.seconds, results)
    write_card(job.out / f"{job.recipe.name}.json", card)
    text = report(job.recipe.name, results)
    checkpoint.write_whole(job.out / f"{job.recipe.name}.md", lambda file: file.write(text.encode()))
    return results


def contestants(name: str, ours: LumaNetwork, peers: Sequence[str]) -> dict[str, Enlarge]:
    """Our network and others, by their names."""
    return {**{other: peer(other) for other in peers}, name: network(ours)}


def unseen(sources: Sources | None) -> list[Still]:
    """What is measured on: the pictures that are kept out, or drawings that training has not seen."""
    if sources:
        return [source.still for source in sources.held_out]
    # training draws from even seeds, the checks during it from small odd ones
    return [from_rgb(drawing(2 * number + 1 + 2_000_000, 512)) for number in range(DRAWN)]


def report(name: str, results: Sequence[Result]) -> str:
    """The tables of what was measured."""
    return (
        f"PSNR in dB and SSIM of luma, {name} and others, on pictures kept out of training.\n\n"
        f"{psnr_table(results, name)}\n\n"
        "Steepness of lines as a share of the truth's, and halos beside them in codes of 255.\n\n"
        f"{line_table(results)}\n"
    )


def draw_progress(recipe: Recipe, out: Path) -> None:
    """Draw the log of training."""
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    curves = {
        name: [(line["step"], line[key]) for line in lines if key in line]
        for name, key in (("only made smaller", "clean"), ("worn", "worn"))
    }
    svg = plot(f"{recipe.name}: PSNR of pictures kept out, by steps", curves, "dB")
    checkpoint.write_whole(out / f"{recipe.name}.svg", lambda file: file.write(svg.encode()))
