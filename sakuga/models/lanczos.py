"""The baseline: Lanczos' filter, which invents nothing."""

from sakuga.media.info import Colour, PixelLayout
from sakuga.media.picture import Picture
from sakuga.media.resize import resize_picture
from sakuga.models.base import EngineUse, ModelCard

CARD = ModelCard(
    name="lanczos",
    architecture="Lanczos resampling, three lobes",
    scale=1,
    purpose="Baseline: resizes, and neither sharpens nor removes noise.",
    licence="MIT",
    domain="any",
)


class Lanczos:
    """Upscaler that only resamples."""

    name = CARD.name
    digest = "lanczos-3"
    parallel = 1
    use = EngineUse(backend="numpy", device="cpu", precision="fp32")

    def upscale(
        self,
        picture: Picture,
        size: tuple[int, int],
        layout: PixelLayout,
        colour: Colour,
        target: Colour | None = None,
    ) -> Picture:
        """Resample a whole picture; see `Upscaler.upscale`."""
        return resize_picture(picture, size, layout, colour, target)
