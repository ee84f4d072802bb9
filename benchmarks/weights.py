"""Weights for benchmarks: real ones where they are at hand, else random ones of the same shape."""

from dataclasses import dataclass
from pathlib import Path

import torch

from sakuga.models.cards import CARDS, find_card
from sakuga.models.networks.checkpoint import OFFICIAL
from sakuga.settings import load_settings
from tests.assets import ASSETS

ALSO = {"realesr-general-x4v3": ("realesr-general-x4v3.ncnn-fp16.pth",)}
"""Files of other people that hold the same network, rounded."""

SMALL = 0.05
"""Standard deviation of random weights that are not a convolution's, and of the results: half precision is
watched, and would be given up for values far outside of a picture's."""

NAMES = tuple(card.name for card in CARDS)


@dataclass(frozen=True)
class Weights:
    """A file of weights for a network; `real` where they were trained."""

    name: str
    path: Path
    real: bool

    @property
    def shown(self) -> str:
        """The network's name for a table."""
        return self.name if self.real else f"{self.name} (random weights)"


def weights_of(name: str, folder: Path) -> Weights:
    """Weights of a published network; of two files the first.

    Looked for in the mirror, among those that Sakuga has downloaded and proved, and in the tests' assets;
    random ones are written into `folder`. Nothing is downloaded.
    """
    settings = load_settings()
    places = [settings.models_root, ASSETS / "weights"]
    if settings.model_mirror and "://" not in settings.model_mirror:
        places.insert(0, Path(settings.model_mirror))
    files = (find_card(name).weights[0].name, *ALSO.get(name, ()))
    for file in files:
        for place in places:
            if (place / file).is_file():
                return Weights(name, (place / file).absolute(), real=True)
    return Weights(name, _random_weights(name, folder / f"{name}.pth"), real=False)


def _random_weights(name: str, path: Path) -> Path:
    tensors = OFFICIAL[name]().state_dict()
    torch.manual_seed(0)
    state = {key: torch.randn_like(tensor) * _spread(tensor) for key, tensor in tensors.items()}
    last = [key for key, tensor in tensors.items() if tensor.ndim == 4][-1]
    state[last] *= SMALL
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"params": state}, path)
    return path


def _spread(tensor: torch.Tensor) -> float:
    """Standard deviation of random weights with which values neither grow nor vanish from layer to layer."""
    return float(tensor[0].numel() ** -0.5) if tensor.ndim == 4 else SMALL
