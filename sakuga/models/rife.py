"""RIFE 4.25: motion from a picture at any time between two pictures to both of them, by a network."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from sakuga.errors import DeviceError, OutOfMemoryError, WeightsError
from sakuga.media.info import Colour
from sakuga.media.picture import Picture
from sakuga.models.between import Between
from sakuga.models.engines.choose import note_failure, resolve_device
from sakuga.models.engines.gpu import empty_cache, giving_work
from sakuga.models.engines.memory import device_errors
from sakuga.models.networks.ifnet import MULTIPLE, IFNet, inference_state
from sakuga.models.networks.state import read_state
from sakuga.models.tensors import fetched, to_rgb

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Seen:
    """A picture as the network takes it: padded, with its features.

    Attributes:
        rgb: (1, 3, height, width) of the padded picture, fp32.
        features: of the padded picture, on the same device.
        size: width and height without padding.
        plain: whether the features were computed on the CPU in fp32.
    """

    rgb: Tensor
    features: Tensor
    size: tuple[int, int]
    plain: bool


class Rife:
    """The network, loaded on one device; several threads may use it at once.

    Flow, mask and the places that are sampled are fp32 whatever the precision of the convolutions. What a GPU
    has no memory for, or what leaves the range of fp16, is computed on the CPU in fp32.
    """

    def __init__(self, path: Path, device: str = "auto", precision: torch.dtype | None = None) -> None:
        """Load the network.

        Args:
            path: file of weights, as its authors publish it.
            device: `auto`, `cpu`, `cuda:0` and so on, or `mps`.
            precision: of the convolutions; None is fp16 on CUDA and fp32 elsewhere.

        Raises:
            WeightsError: the file is damaged, of another network, or carries code.
            MissingToolError: there is no such device.
        """
        self.device = torch.device(resolve_device(device).name)
        precision = precision or (torch.float16 if self.device.type == "cuda" else torch.float32)
        self._plain = self._net = _read(path)
        if self.device.type != "cpu" or precision != torch.float32:
            self._net = copy.deepcopy(self._plain).to(self.device, precision)
        if self.device.type == "cuda":
            # the kernels for half precision want channels side by side
            self._net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def see(self, picture: Picture, colour: Colour) -> Seen:
        """A picture, whose samples mean what `colour` says, and its features.

        Raises:
            OutOfMemoryError: not even the machine's own memory is enough.
            DeviceError: the device failed.
        """
        try:
            with self._noted():
                return self._see(self._net, self.device, picture, colour)
        except OutOfMemoryError:
            if self._net is self._plain:
                raise
        empty_cache(self.device)
        return self._see(self._plain, CPU, picture, colour)

    def between(self, left: Seen, right: Seen, t: float) -> Between:
        """How the picture at time `t`, from 0 (left) to 1 (right), is made of both; errors as for `see`."""
        found = None
        if not (left.plain or right.plain):
            try:
                with self._noted():
                    found = self._estimate(self._net, self.device, left, right, t)
            except OutOfMemoryError:
                pass
            if found is None:
                empty_cache(self.device)
        if found is None or not all(bool(torch.isfinite(each).all()) for each in found):
            found = self._estimate(self._plain, CPU, self._as_plain(left), self._as_plain(right), t)
        ways, share = (each.numpy() for each in found)
        return Between(ways[..., :2], ways[..., 2:], 1 - share)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Remember a device that fails: another attempt opens the network on another one."""
        try:
            yield
        except OutOfMemoryError:
            raise
        except DeviceError:
            note_failure(str(self.device))
            raise

    def _see(self, net: IFNet, device: torch.device, picture: Picture, colour: Colour) -> Seen:
        size = picture.width, picture.height
        right, below = (-side % MULTIPLE for side in size)
        with device_errors(str(device)), torch.inference_mode():
            rgb = to_rgb(picture, colour, device)
            # not black: a border that stands still beside a moving picture would be motion
            padded = functional.pad(rgb, (0, right, 0, below), "replicate")
            with giving_work(device):
                features = net.encode(padded)
            return Seen(padded, features, size, net is self._plain)

    def _as_plain(self, seen: Seen) -> Seen:
        if seen.plain:
            return seen
        with device_errors("cpu"), torch.inference_mode():
            rgb = seen.rgb.cpu()
            return Seen(rgb, self._plain.encode(rgb), seen.size, plain=True)

    def _estimate(
        self, net: IFNet, device: torch.device, left: Seen, right: Seen, t: float
    ) -> tuple[Tensor, Tensor]:
        """Flow, (height, width, 4), and the left one's share, (height, width), on the host and not padded."""
        width, height = left.size
        with device_errors(str(device)), torch.inference_mode():
            with giving_work(device):
                flow, share = net(left.rgb, right.rgb, (left.features, right.features), t)
            ways = flow[0, :, :height, :width].permute(1, 2, 0).contiguous()
            ways, share = fetched((ways, share[0, 0, :height, :width].contiguous()))
            return ways, share


class Interpolator:
    """Finds motion between film frames of one chunk; what it computed of a frame serves its next pair too.

    Attributes:
        computed: frames whose features were computed.
    """

    def __init__(self, rife: Rife, colour: Colour) -> None:
        """Begin.

        Args:
            rife: the network.
            colour: what the samples of the pictures mean.
        """
        self._rife = rife
        self._colour = colour
        self._kept: list[tuple[Picture, Seen]] = []
        self.computed = 0

    def between(self, left: Picture, right: Picture, t: float) -> Between:
        """How the picture at time `t`, from 0 (left) to 1 (right), is made of both; errors as `Rife`'s."""
        return self._rife.between(self._seen(left), self._seen(right), t)

    def _seen(self, picture: Picture) -> Seen:
        # by the object, which never changes and is held here: never by a number that another picture may have
        for known, seen in self._kept:
            if known is picture:
                return seen
        seen = self._rife.see(picture, self._colour)
        self._kept = [*self._kept[-1:], (picture, seen)]
        self.computed += 1
        return seen


def _read(path: Path) -> IFNet:
    # no values are drawn at random that the file replaces at once
    with torch.device("meta"):
        net = IFNet()
    try:
        net.load_state_dict(inference_state(read_state(path)), assign=True)
    except RuntimeError as error:
        raise WeightsError(
            f"{str(path)!r} does not hold the weights of RIFE 4.25; remove it, and it is downloaded again."
        ) from error
    return net.eval().requires_grad_(False)
