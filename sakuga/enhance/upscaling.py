"""An upscaler with all that one job wants of it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from sakuga.media.info import Colour, PixelLayout
from sakuga.media.picture import Picture
from sakuga.models.base import Rect, RegionUpscaler, Upscaler


@dataclass(frozen=True)
class Upscaling:
    """Upscales the pictures of one job, whole or in parts; several threads may use it.

    Attributes:
        upscaler: what does it.
        size: width and height of results.
        layout: of results.
        colour: of the pictures.
        target: of results.
        busy: entered while the upscaler works.
    """

    upscaler: Upscaler
    size: tuple[int, int]
    layout: PixelLayout
    colour: Colour
    target: Colour | None = None
    busy: Callable[[], AbstractContextManager[Any]] = nullcontext

    def whole(self, picture: Picture) -> Picture:
        """The result of a picture."""
        with self.busy():
            return self.upscaler.upscale(picture, self.size, self.layout, self.colour, self.target)

    def spread(self, picture: Picture) -> int | None:
        """How far a changed source pixel reaches, in source pixels; None where parts cannot be made."""
        if not isinstance(self.upscaler, RegionUpscaler):
            return None
        return self.upscaler.spread(picture, self.size)

    def parts(
        self, picture: Picture, before: Picture, regions: Sequence[Rect], halo: int | None = None
    ) -> Picture:
        """The result of a picture in `regions`, and `before` elsewhere; see `RegionUpscaler`."""
        assert isinstance(self.upscaler, RegionUpscaler)
        with self.busy():
            return self.upscaler.upscale_regions(
                picture, before, regions, self.size, self.layout, self.colour, self.target, halo=halo
            )
