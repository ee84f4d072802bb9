"""What finds motion between two pictures with a network, as far as it is known without PyTorch."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from sakuga.errors import MissingToolError
from sakuga.media.info import Colour
from sakuga.media.kernels import Floats
from sakuga.media.picture import Picture
from sakuga.models.cards import INSTALL, RIFE
from sakuga.models.weights import ensure_weights
from sakuga.settings import Settings

if TYPE_CHECKING:
    from sakuga.models.rife import Rife

RIFE_VERSION = 1
"""Raised when the pictures that are made with RIFE change."""


_loading = Lock()


@dataclass(frozen=True)
class Between:
    """How a picture between two others is made of them, at the size of the pictures that it was found in.

    Attributes:
        to_left: the way from every pixel to where it is in the earlier picture, in pixels, x first, of shape
            (height, width, 2).
        to_right: the way to the later one.
        share: the later picture's share, from 0 to 1, of shape (height, width).
    """

    to_left: Floats
    to_right: Floats
    share: Floats


class MotionFinder(Protocol):
    """Finds motion between pictures; used by one thread at a time."""

    def between(self, left: Picture, right: Picture, t: float) -> Between:
        """How the picture at time `t`, from 0 (left) to 1 (right), is made; it depends on nothing else."""
        ...


def check_rife(device: str = "auto") -> None:
    """Refuse RIFE where it cannot run, without reading weights.

    Raises:
        MissingToolError: PyTorch is not installed, or there is no such device.
    """
    if find_spec("torch") is None:
        raise MissingToolError(
            f"The interpolation `rife` needs PyTorch; {INSTALL}, or choose `flow`, which needs nothing."
        )
    from sakuga.models.engines.choose import resolve_device

    resolve_device(device)


def rife_digest() -> str:
    """What identifies RIFE's weights and the code around them; part of the key of chunks that it makes."""
    return f"{RIFE.name}-{RIFE_VERSION}-{RIFE.weights[0].sha256[:16]}"


def prepare_rife(
    settings: Settings,
    on_progress: Callable[[str, int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> None:
    """Make RIFE's weights present and proved; arguments and errors as for `ensure_weights`."""
    ensure_weights(RIFE, settings, on_progress, cancelled)


def open_rife(device: str, colour: Colour, settings: Settings) -> MotionFinder:
    """RIFE 4.25 for one chunk; the network itself stays loaded and is shared.

    Args:
        device: `auto`, `cpu`, `cuda:0` and so on, or `mps`.
        colour: what the samples of the pictures mean.
        settings: of this machine.

    Raises:
        MissingToolError: PyTorch is not installed, or there is no such device.
        DownloadError: the weights are not there and could not be had.
        WeightsError: the file of weights is not what it should be.
    """
    check_rife(device)
    from sakuga.models.rife import Interpolator

    (path,) = ensure_weights(RIFE, settings)
    with _loading:  # chunks that begin together read the file once
        return Interpolator(_loaded(path, device), colour)


def unload_rife() -> None:
    """Give back the memory of a loaded network that nothing uses."""
    _loaded.cache_clear()


@lru_cache(maxsize=1)
def _loaded(path: Path, device: str) -> "Rife":
    from sakuga.models.rife import Rife

    return Rife(path, device)
