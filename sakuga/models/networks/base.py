"""What every super-resolution network is to the engines that run it."""

from torch import Tensor, nn
from torch.nn import functional


class SuperResolver(nn.Module):
    """A network from a picture to one `scale` times its size, as a trunk and, mostly, a skip around it.

    Engines run the trunk in their own precision and add the skip in fp32: the sum of both in half precision
    would cost several dB. Pictures are R, G, B from 0 to 1, tensors of shape (pictures, 3, height, width).

    Attributes:
        scale: factor of the result's sides.
        radius: receptive-field radius in source pixels, None where it is too large for exact tiles.
        multiple: sides of the input must be multiples of this.
        shuffles: whether the trunk ends by shuffling channels to pixels, for which engines may have a way of
            their own; else a network has a `trunk` of its own.
    """

    scale: int
    radius: int | None
    multiple: int = 1
    shuffles: bool = False

    def trunk(self, rgb: Tensor) -> Tensor:
        """What the network computes: (pictures, 3, height * scale, width * scale)."""
        return functional.pixel_shuffle(self.channels(rgb), self.scale)

    def channels(self, rgb: Tensor) -> Tensor:
        """The trunk's result before its channels are shuffled: (pictures, 3 * scale^2, height, width)."""
        raise NotImplementedError

    def add_skip(self, result: Tensor, rgb: Tensor) -> Tensor:
        """What the trunk computed and what goes around it, added up in place; nothing where there is no skip.

        Args:
            result: of the trunk, in fp32.
            rgb: what the trunk was given, in fp32.
        """
        del rgb
        return result

    def forward(self, rgb: Tensor) -> Tensor:
        """The result, not cut to 0 to 1."""
        return self.add_skip(self.trunk(rgb), rgb)
