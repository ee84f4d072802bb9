"""The three names that spandrel wants of torchvision.transforms.functional, for machines without torchvision.

torchvision's packages need the torch that was built beside them; a CPU build has none.
"""

import math
from collections.abc import Sequence
from enum import Enum

import torch
from torch import Tensor
from torch.nn import functional


class InterpolationMode(Enum):
    """Ways to find a value between pixels."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """Every channel less its mean, over its standard deviation.

    Args:
        tensor: of shape (..., channels, height, width).
        mean: one value for each channel.
        std: one value for each channel, not 0.
        inplace: whether to write to `tensor`.
    """
    means = torch.as_tensor(mean, dtype=tensor.dtype, device=tensor.device).view(-1, 1, 1)
    deviations = torch.as_tensor(std, dtype=tensor.dtype, device=tensor.device).view(-1, 1, 1)
    if bool((deviations == 0).any()):
        raise ValueError("a standard deviation is 0")
    return (tensor if inplace else tensor.clone()).sub_(means).div_(deviations)


def rotate(
    img: Tensor,
    angle: float | Tensor,
    interpolation: InterpolationMode = InterpolationMode.NEAREST,
    fill: float | None = 0,
) -> Tensor:
    """A picture turned about its middle, of the same size, black where nothing is known.

    Args:
        img: of shape (pictures, channels, height, width), of a float type.
        angle: degrees against the clock.
        interpolation: how to find values between pixels.
        fill: 0, or None for an edge that is blended with black but once; other backgrounds are not made.
    """
    if fill:
        raise ValueError("the background can only be 0")
    height, width = img.shape[-2:]
    turn = math.radians(float(angle))
    sine, cosine = math.sin(turn), math.cos(turn)
    # from a pixel of the result to one of the source, both from -1 to 1 across their side
    matrix = torch.tensor(
        [[cosine, -sine * height / width, 0.0], [sine * width / height, cosine, 0.0]],
        dtype=img.dtype,
        device=img.device,
    )
    grid = functional.affine_grid(matrix.expand(img.shape[0], 2, 3), list(img.shape), align_corners=False)
    result = functional.grid_sample(img, grid, interpolation.value, "zeros", align_corners=False)
    if fill is not None and interpolation is InterpolationMode.BILINEAR:
        # torchvision blends with the background once more where the picture's edge lies in a pixel
        known = torch.ones_like(img[:, :1])
        result = result * functional.grid_sample(known, grid, "bilinear", "zeros", align_corners=False)
    return result
