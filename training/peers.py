"""Sakuga's own models, as what is measured beside, and as teachers."""

from collections.abc import Callable

import numpy as np

from sakuga.media.info import Colour, PixelLayout
from sakuga.media.kernels import Floats
from sakuga.media.picture import Picture
from sakuga.models.base import ModelChoice
from sakuga.models.registry import load_upscaler
from training.coding import Planes
from training.degrade import SCALE
from training.still import from_luma_codes

COLOUR = Colour(matrix="bt709", primaries="bt709", transfer="bt709", full_range=False, siting="center")
LAYOUT = PixelLayout(chroma="420", depth=8)

Enlarge = Callable[[Planes], Floats]
"""From planes of a source to luma of twice the size."""


def peer(name: str) -> Enlarge:
    """One of Sakuga's models, by its name."""
    upscaler = load_upscaler(ModelChoice(name=name))

    def enlarge(planes: Planes) -> Floats:
        height, width = planes[0].shape
        picture = Picture(planes, LAYOUT)
        result = upscaler.upscale(picture, (width * SCALE, height * SCALE), LAYOUT, COLOUR)
        return from_luma_codes(result.planes[0].astype(np.uint8))

    return enlarge
