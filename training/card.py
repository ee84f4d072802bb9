"""The files of a finished model: its weights, and a card that says what it is and how it was made."""

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import av
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from sakuga.errors import WeightsError
from sakuga.media.info import Frozen
from training import checkpoint
from training.evaluate import Result
from training.networks import LumaNetwork
from training.recipes import Recipe
from training.sources import Sources

PACKAGES = ("sakuga", "torch", "numpy", "opencv-python-headless", "pillow", "av", "safetensors")
"""Whose versions decide what comes out."""

LICENCE = "MIT"


class Card(Frozen):
    """What a model is, and what it takes to make it again.

    Attributes:
        name: of the model.
        domain: what it is for, `drawn` or `filmed`.
        scale: factor of the result's sides.
        features: channels of the inner convolutions.
        layers: inner convolutions, without the first and the last one.
        radius: of the receptive field, in samples of the source.
        weights: how many numbers there are.
        file: name of the weights.
        sha256: of the weights.
        licence: of the weights.
        credits: whom the pictures are of, and their licences.
        recipe: how it was trained.
        trained_on: names of the pictures, with the digests of their files.
        held_out: the same of those that were only measured on.
        versions: of what made it.
        seconds: that training took.
        results: what was measured on the pictures that were kept out.
    """

    name: str
    domain: str
    scale: int
    features: int
    layers: int
    radius: int
    weights: int
    file: str
    sha256: str
    licence: str
    credits: tuple[str, ...]
    recipe: Recipe
    trained_on: dict[str, str]
    held_out: dict[str, str]
    versions: dict[str, str]
    seconds: float
    results: tuple[dict[str, str | float], ...]


def write_weights(path: Path, network: LumaNetwork) -> LumaNetwork:
    """Write weights as fp16 in safetensors, and return the network as others will read it."""
    state = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    checkpoint.write_whole(path, lambda file: file.write(save(state)))
    return read_weights(path)


def read_weights(path: Path) -> LumaNetwork:
    """The network of a file of weights; its shape is the tensors' own.

    Raises:
        WeightsError: the file does not read, or holds another network.
    """
    try:
        state = load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{str(path)!r} is not a file of weights: {error}.") from error
    last = len(state) // 2 - 1
    try:
        network = LumaNetwork(state["convolutions.0.weight"].shape[0], last - 1)
        network.load_state_dict({name: value.float() for name, value in state.items()})
    except (KeyError, RuntimeError, IndexError, ValueError) as error:
        raise WeightsError(
            f"{str(path)!r} does not hold one of the networks that are trained here."
        ) from error
    return network.eval()


def card_of(
    recipe: Recipe,
    network: LumaNetwork,
    weights: Path,
    sources: Sources | None,
    credits: Sequence[str],
    seconds: float,
    results: Sequence[Result],
) -> Card:
    """The card of a finished model; see `Card`."""
    used = sources.used if sources else ()
    return Card(
        name=recipe.name,
        domain=recipe.domain,
        scale=2,
        features=recipe.features,
        layers=recipe.layers,
        radius=recipe.layers + 2,
        weights=sum(parameter.numel() for parameter in network.parameters()),
        file=weights.name,
        sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
        licence=LICENCE,
        credits=tuple(credits),
        recipe=recipe,
        trained_on={source.name: source.digest for source in used if not source.held_out},
        held_out={source.name: source.digest for source in used if source.held_out},
        versions=versions(),
        seconds=round(seconds, 1),
        results=tuple(
            {"condition": result.condition, "model": result.model, **asdict(result.measures)}
            for result in results
        ),
    )


def versions() -> dict[str, str]:
    """Of Python, of the packages that decide what comes out, of the encoders, and of the processor."""
    found = {package: metadata.version(package) for package in PACKAGES}
    codec = ".".join(str(part) for part in av.library_versions["libavcodec"])
    processor = torch.backends.cpu.get_cpu_capability()
    return {"python": platform.python_version(), **found, "libavcodec": codec, "processor": processor}


def write_card(path: Path, card: Card) -> None:
    """Write a card as JSON."""
    text = json.dumps(card.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"
    checkpoint.write_whole(path, lambda file: file.write(text.encode()))
