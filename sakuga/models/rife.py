"""RIFE 4.25: motion from a picture at any time between two pictures to both of them, by a network."""

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from sakuga.errors import MissingToolError, OutOfMemoryError, WeightsError
from sakuga.media.info import Colour
from sakuga.media.picture import Picture
from sakuga.models.between import Between
from sakuga.models.engines.memory import device_errors
from sakuga.models.networks.ifnet import MULTIPLE, IFNet, inference_state
from sakuga.models.networks.state import read_state
from sakuga.models.tensors import to_rgb


@dataclass(frozen=True)
class Seen:
    """A picture as the network takes it: padded, with its features, on the device.

    Attributes:
        rgb: (1, 3, height, width) of the padded picture, fp32.
        features: of the padded picture.
        size: width and height without padding.
    """

    rgb: Tensor
    features: Tensor
    size: tuple[int, int]


class Rife:
    """The network, loaded on one device; several threads may use it at once.

    It computes in fp16 on CUDA, where flow, mask and the places that are sampled stay fp32, and in fp32
    elsewhere. What a GPU has no memory for, or what leaves the range of fp16, is computed on the CPU in fp32.
    """

    def __init__(self, path: Path, device: str = "auto") -> None:
        """Load the network.

        Args:
            path: file of weights, as its authors publish it.
            device: `auto`, `cpu`, `cuda:0` and so on, or `mps`.

        Raises:
            WeightsError: the file is damaged, of another network, or carries code.
            MissingToolError: there is no such device.
        """
        self.device = chosen_device(device)
        self._plain = _read(path)
        self._net = self._plain
        if self.device.type != "cpu":
            kind = torch.float16 if self.device.type == "cuda" else torch.float32
            self._net = copy.deepcopy(self._plain).to(self.device, kind)

    def see(self, picture: Picture, colour: Colour) -> Seen:
        """A picture, whose samples mean what `colour` says, and its features.

        Raises:
            OutOfMemoryError: the device has no room for it.
            DeviceError: the device failed.
        """
        width, height = picture.width, picture.height
        with device_errors(str(self.device)), torch.inference_mode():
            rgb = to_rgb(picture, colour, self.device)
            # not black: a border that stands still beside a moving picture would be motion
            padded = functional.pad(rgb, (0, -width % MULTIPLE, 0, -height % MULTIPLE), "replicate")
            return Seen(padded, self._net.encode(padded), (width, height))

    def between(self, left: Seen, right: Seen, t: float) -> Between:
        """How the picture at time `t`, from 0 (left) to 1 (right), is made of both.

        Raises:
            OutOfMemoryError: not even the machine's own memory is enough.
            DeviceError: the device failed.
        """
        flow, share = self._estimate(left, right, t)
        width, height = left.size
        ways = flow[0, :, :height, :width].permute(1, 2, 0).contiguous().numpy()
        part = 1 - share[0, 0, :height, :width].numpy()
        return Between(ways[..., :2], ways[..., 2:], part)

    def _estimate(self, left: Seen, right: Seen, t: float) -> tuple[Tensor, Tensor]:
        with torch.inference_mode():
            if self.device.type != "cpu":
                try:
                    with device_errors(str(self.device)):
                        pair = (left.features, right.features)
                        flow, share = (part.cpu() for part in self._net(left.rgb, right.rgb, pair, t))
                    if bool(torch.isfinite(flow).all()):
                        return flow, share
                except OutOfMemoryError:
                    torch.cuda.empty_cache()
            with device_errors("cpu"):
                images = left.rgb.cpu(), right.rgb.cpu()
                if self.device.type == "cpu":
                    pair = (left.features, right.features)
                else:
                    pair = (self._plain.encode(images[0]), self._plain.encode(images[1]))
                flow, share = self._plain(*images, pair, t)
                return flow, share


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


def chosen_device(name: str) -> torch.device:
    """The device of a name; `auto` is the first GPU there is, else the CPU.

    Raises:
        MissingToolError: there is no such device.
    """
    has_mps = torch.backends.mps.is_available()
    if name == "auto":
        name = "cuda:0" if torch.cuda.is_available() else "mps" if has_mps else "cpu"
    device = torch.device(name)
    there = {"cuda": (device.index or 0) < torch.cuda.device_count(), "mps": has_mps}
    if not there.get(device.type, True):
        raise MissingToolError(f"There is no device {name!r} here; leave `--device` out, or take `cpu`.")
    return device


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
