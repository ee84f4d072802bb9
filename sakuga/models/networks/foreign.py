"""Networks of others, known to spandrel."""

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from sakuga.errors import MissingToolError, WeightsError
from sakuga.models.cards import INSTALL
from sakuga.models.networks import torchvision_part
from sakuga.models.networks.base import SuperResolver

_STAND_INS = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")

_importing = threading.Lock()


class ForeignNetwork(SuperResolver):
    """A network that spandrel found in a checkpoint; pictures of any size, which spandrel pads where it must.

    Some of these networks keep intermediate results in themselves, so that one picture is computed at a time.

    Attributes:
        architecture: what its authors call it.
    """

    def __init__(self, found: Any) -> None:  # noqa: ANN401 - spandrel publishes no types
        super().__init__()
        self.model: nn.Module = (
            found.model
        )  # the same as in `found`; here, it moves and converts with this one
        self.scale = int(found.scale)
        self.radius = None
        self.multiple = int(found.size_requirements.multiple_of)
        self.architecture = str(found.architecture.name)
        self._found = found
        self._turn = threading.Lock()

    def trunk(self, rgb: Tensor) -> Tensor:
        """The whole network, cut to 0 to 1 by spandrel; see `SuperResolver.trunk`."""
        with self._turn:
            return torch.cat([self._found(picture) for picture in torch.split(rgb, 1)])

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_turn"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._turn = threading.Lock()


def foreign_network(state: Mapping[str, Tensor], shown: str) -> ForeignNetwork:
    """The network that spandrel knows tensors of these names from.

    Args:
        state: finite tensors in fp32.
        shown: name of their file, for messages.

    Raises:
        MissingToolError: spandrel is not installed.
        WeightsError: no network fits, or it does not make RGB pictures larger.
    """
    spandrel = _spandrel(shown)
    try:
        found = spandrel.MAIN_REGISTRY.load(dict(state))
    except spandrel.UnsupportedModelError as error:
        raise WeightsError(
            f"{shown} holds weights of no network that is known here or to spandrel {spandrel.__version__}."
        ) from error
    except Exception as error:  # every architecture reads its shape in its own way
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(f"{shown} looks like a known network, but does not fit: {reason}") from error
    name = str(found.architecture.name)
    if found.purpose != "SR":
        raise WeightsError(
            f"{shown} holds {name}, a network for {str(found.purpose).lower()}; choose one for super "
            "resolution."
        )
    if (found.input_channels, found.output_channels) != (3, 3):
        raise WeightsError(
            f"{shown} holds {name} for {found.input_channels} channels in and {found.output_channels} out; "
            "choose one from RGB to RGB."
        )
    return ForeignNetwork(found)


def _spandrel(shown: str) -> ModuleType:
    """spandrel, imported without torchvision where that is missing or does not load."""
    with _importing:
        if loaded := sys.modules.get("spandrel"):
            return loaded
        try:
            with _torchvision():
                return import_module("spandrel")
        except ImportError as error:
            raise MissingToolError(
                f"{shown} is none of the networks that are built in; others need spandrel; {INSTALL}."
            ) from error


@contextmanager
def _torchvision() -> Iterator[None]:
    """torchvision's own functions where it can be imported, else ours under its name for a moment."""
    try:
        import_module(_STAND_INS[-1])
    except Exception:  # its compiled part fails in many ways beside another torch
        broken = [name for name in sys.modules if name.split(".")[0] == "torchvision"]
        for name in broken:
            del sys.modules[name]
    else:
        yield
        return
    for name in _STAND_INS:
        sys.modules[name] = ModuleType(name)
    sys.modules[_STAND_INS[-1]] = torchvision_part
    try:
        yield
    finally:
        for name in _STAND_INS:
            sys.modules.pop(name, None)
