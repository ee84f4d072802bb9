"""Train networks: `python -m training make drawn-m --data FOLDER --out FOLDER`."""

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from sakuga.errors import OptionError, SakugaError
from sakuga.settings import load_settings
from training.card import read_weights
from training.evaluate import PEERS, evaluate
from training.pipeline import Job, contestants, make, report, unseen
from training.recipes import RECIPES, Recipe, find_recipe
from training.sources import find_sources
from training.train import Machine

CHANGES = (
    "steps",
    "hold",
    "pairs",
    "batch",
    "patch",
    "rate",
    "drawings",
    "leaves",
    "clean",
    "seed",
    "features",
    "layers",
)
"""What of a recipe can be given on the command line."""


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _make_options(commands.add_parser("make", help="pictures in, a finished and measured model out"))
    looks = commands.add_parser("evaluate", help="measure weights on the pictures that are kept out")
    looks.add_argument("weights", type=Path, help="a .safetensors file that `make` wrote")
    looks.add_argument("--data", type=Path, help="folder of pictures and clips; drawings without")
    given = parser.parse_args()
    try:
        _make(given) if given.command == "make" else _evaluate(given)
    except SakugaError as error:
        _fail(error)


def _make_options(parser: argparse.ArgumentParser) -> None:
    known = ", ".join(recipe.name for recipe in RECIPES)
    parser.add_argument("recipe", help=f"one of {known}")
    parser.add_argument("--data", type=Path, help="folder of pictures and clips; drawings without")
    parser.add_argument("--out", type=Path, help="folder of the results; build/training/RECIPE without")
    parser.add_argument("--credit", action="append", default=[], help="whom the pictures are of; repeatable")
    parser.add_argument("--device", default="cpu", help="cpu, cuda:0 and so on")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; as many as it has without")
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument("--no-peers", action="store_true", help="measure beside Lanczos alone")
    for name in CHANGES:
        whole = Recipe.model_fields[name].annotation is int
        parser.add_argument(f"--{name}", type=int if whole else float, help="instead of the recipe's")


def _make(given: argparse.Namespace) -> None:
    recipe = find_recipe(given.recipe)
    changes = {name: getattr(given, name) for name in CHANGES if getattr(given, name) is not None}
    if given.data is None:
        changes.setdefault("drawings", 1.0)
    try:
        recipe = Recipe.model_validate({**recipe.model_dump(), **changes})
    except ValidationError as error:
        wrong = error.errors()[0]
        raise OptionError(f"--{wrong['loc'][0]} {wrong['input']:g}: {wrong['msg'].lower()}.") from error
    job = Job(
        recipe,
        given.data,
        given.out or Path("build/training") / recipe.name,
        Machine(given.device, given.threads, given.precision),
        tuple(given.credit),
        PEERS[:1] if given.no_peers else PEERS,
    )
    results = make(job, load_settings().limits, _say)
    _say(f"{report(recipe.name, results)}\nThe model lies in {job.out}.")


def _evaluate(given: argparse.Namespace) -> None:
    network = read_weights(given.weights)
    sources = find_sources(given.data, load_settings().limits, _say) if given.data else None
    models = contestants(given.weights.stem, network, PEERS)
    _say(report(given.weights.stem, evaluate(models, unseen(sources), say=_say)))


def _say(text: str) -> None:
    print(text, flush=True)


def _fail(error: SakugaError) -> NoReturn:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
