"""What every super-resolution network is to the engines that run it."""

from torch import Tensor, nn


class SuperResolver(nn.Module):
    """A network from a picture to one `scale` times its size, as a trunk and, mostly, a skip around it.

    Engines run the trunk in their own precision and add the skip in fp32: the sum of both in half precision
    would cost several dB. Pictures are R, G, B from 0 to 1, tensors of shape (pictures, 3, height, width).

    Attributes:
        scale: factor of the result's sides.
        radius: receptive-field radius in source pixels, None where it is too large for exact tiles.
        multiple: sides of the input must be multiples of this.
    """

    scale: int
    radius: int | None
    multiple: int = 1

    def trunk(self, rgb: Tensor) -> Tensor:
        """What the network computes: (pictures, 3, height * scale, width * scale)."""
        raise NotImplementedError

    def skip(self, rgb: Tensor) -> Tensor | None:
        """What is added to the trunk's result, same shape; None where there is no skip."""
        del rgb
        return None

    def forward(self, rgb: Tensor) -> Tensor:
        """The result, not cut to 0 to 1."""
        result, skip = self.trunk(rgb), self.skip(rgb)
        return result if skip is None else result + skip
