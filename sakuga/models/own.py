"""Our own networks, whose weights come with Sakuga: their cards, weights, and speed on this machine."""

import hashlib
import json
import time
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np

from sakuga.errors import OptionError, WeightsError
from sakuga.models.base import ModelCard
from sakuga.models.engines import calibration
from sakuga.models.luma_network import LumaNetwork, has_bf16
from sakuga.models.processes import cpus
from sakuga.models.tensorfile import read_tensors

FOLDER = Path(__file__).with_name("own_weights")
"""Weights and cards, as training wrote them."""

VERSION = 1
"""Raised when the pixels that are made with the same weights change."""

Size = Literal["s", "m"]

WORDS = {
    "s": "The quickest.",
    "m": "Cleaner than the small one, at three times its time.",
    "denoise": "For what is heavily compressed; softer than the middle one on what is clean.",
    "sharp": "Lines as crisp as those of realesr-animevideov3, whose look it has learned.",
}
"""What the parts of a network's name say of it."""

TRIED = (640, 360)
"""Width and height of the picture that a network's speed is measured with."""

TRIES = 5
"""Runs of which the fastest counts: others may have disturbed it."""


@lru_cache(maxsize=1)
def own_cards() -> tuple[ModelCard, ...]:
    """Cards of the networks whose weights are here.

    Raises:
        WeightsError: a card is damaged, or there are none.
    """
    found = tuple(_card(path) for path in sorted(FOLDER.glob("*.json")))
    if not found:
        raise _damaged("Sakuga's own networks", f"{FOLDER.name} is empty")
    return found


def _card(path: Path) -> ModelCard:
    try:
        facts = json.loads(path.read_text())
        return ModelCard(
            name=facts["name"],
            architecture=f"{facts['layers']} convolutions of {facts['features']} channels on luma",
            scale=facts["scale"],
            purpose=_purpose(facts["name"]),
            licence=facts["licence"],
            domain=facts["domain"],
            radius=facts["radius"],
        )
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(path.stem, f"{path.name}: {error!r}") from error


def _purpose(name: str) -> str:
    domain, *kind = name.split("-")
    parts = [f"{domain.capitalize()} video.", *(WORDS[part] for part in kind if part in WORDS)]
    return " ".join(parts)


@lru_cache(maxsize=16)
def own_digest(name: str) -> str:
    """What identifies a network's weights and code; the weights are read and proved.

    Raises:
        WeightsError: they are missing or damaged.
    """
    return f"{name}-{VERSION}-{hashlib.sha256(_proved(name)[0]).hexdigest()[:16]}"


def _proved(name: str) -> tuple[bytes, Path]:
    """The bytes of a network's weights, which are those of its card.

    Raises:
        WeightsError: they are missing or damaged.
    """
    card = FOLDER / f"{name}.json"
    try:
        facts = json.loads(card.read_text())
        path = FOLDER / facts["file"]
        content, digest = path.read_bytes(), facts["sha256"]
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(name, f"{error!r}") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise _damaged(name, f"{path} has changed")
    return content, path


def _damaged(name: str, reason: str) -> WeightsError:
    return WeightsError(
        f"The weights of {name}, which come with Sakuga, are damaged ({reason}); install Sakuga anew: "
        "`pip install --force-reinstall`, or `git checkout .` and `make setup` in its folder."
    )


def own_name(domain: str, size: Size) -> str:
    """The name of the network for drawn or filmed video of a size."""
    return f"{domain}-{size}"


@lru_cache(maxsize=4)
def own_network(name: str, precision: str) -> LumaNetwork:
    """A network, loaded; the last few stay loaded.

    Args:
        name: of the card.
        precision: `bf16` or `fp32`.

    Raises:
        MissingToolError: OpenVINO does not load.
        WeightsError: the weights are missing or damaged.
    """
    return LumaNetwork(read_tensors(*_proved(name)), precision)


def own_precision(precision: str) -> str:
    """The precision that is computed in where this one is asked for: `auto` is bf16 where there is one.

    Raises:
        OptionError: the processor has no such precision.
    """
    if precision == "fp16" or (precision == "bf16" and not has_bf16()):
        raise OptionError(f"This processor does not compute in {precision}; choose another precision.")
    return ("bf16" if has_bf16() else "fp32") if precision == "auto" else precision


def network_speed(name: str, precision: str) -> float:
    """Source pixels that a network enlarges in a second on this machine, measured once and kept.

    Args:
        name: of the card.
        precision: as it is asked for.

    Raises:
        OptionError: the processor has no such precision.
        MissingToolError: OpenVINO does not load.
        WeightsError: the weights are missing or damaged.
    """
    computed = own_precision(precision)
    versions = f"openvino {version('openvino')}"
    situation = calibration.Situation(own_digest(name), "cpu", 0, computed, versions, cpus())
    with calibration.one_at_a_time():
        kept = calibration.recall(situation)
        if kept is None:
            speed = _measured(own_network(name, computed))
            kept = calibration.Kept(backend="openvino", precision=computed, speed=speed)
            calibration.remember(situation, kept)
    return kept.speed


def _measured(network: LumaNetwork) -> float:
    luma = np.zeros(TRIED[::-1], np.float32)
    network.enlarge(luma)
    fastest = float("inf")
    for _ in range(TRIES):
        begun = time.perf_counter()
        network.enlarge(luma)
        fastest = min(fastest, time.perf_counter() - begun)
    return luma.size / fastest
