"""What every upscaler offers."""

from typing import Protocol

from sakuga.media.info import Colour, Frozen, PixelLayout
from sakuga.media.picture import Picture


class ModelCard(Frozen):
    """What a person needs to know to choose a model."""

    name: str
    architecture: str
    scale: int
    """Factor of one pass; other factors are made by more passes and resampling."""
    purpose: str
    licence: str
    domain: str
    """What it was made for: `drawn` or `any`."""


class Upscaler(Protocol):
    """Makes one picture larger; equal pictures give equal results, and several threads may use it at once."""

    @property
    def name(self) -> str:
        """Its name, as in its card."""
        ...

    @property
    def digest(self) -> str:
        """What identifies its weights and code; part of every chunk's key."""
        ...

    @property
    def parallel(self) -> int:
        """How many pictures are best upscaled at the same time, each by a thread of its own."""
        ...

    def upscale(
        self,
        picture: Picture,
        size: tuple[int, int],
        layout: PixelLayout,
        colour: Colour,
        target: Colour | None = None,
    ) -> Picture:
        """Upscale a whole picture.

        Args:
            picture: the source, whose samples mean what `colour` says.
            size: width and height of the result in pixels.
            layout: layout of the result.
            colour: range and chroma siting of the source.
            target: range of the result; the source's where it is None.
        """
        ...
