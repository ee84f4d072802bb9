"""What every upscaler offers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from sakuga.media.info import Colour, Frozen, PixelLayout
from sakuga.media.picture import Picture

Backend = Literal["auto", "torch", "openvino"]
Precision = Literal["auto", "fp32", "fp16", "bf16"]

AUTO = "auto"
"""In place of a model's name: one of our own networks, chosen for each video."""


class WeightsFile(Frozen):
    """A file of weights as its authors publish it."""

    name: str
    url: str
    sha256: str
    size: int | None
    """Bytes; None where its authors say only what its digest is."""


class ModelCard(Frozen):
    """What a person needs to know to choose a model."""

    name: str
    architecture: str
    scale: int
    """Factor of one pass; other factors are made by more passes and resampling."""
    purpose: str
    licence: str
    domain: str
    """What it was made for: `drawn`, `filmed` or `any`."""
    radius: int | None = None
    """Receptive-field radius in source pixels; None where it is not known or too large for exact tiles."""
    weights: tuple[WeightsFile, ...] = ()
    """Files that are downloaded when the model is first used; none for what comes with the installation."""


class ModelChoice(Frozen):
    """Which model, and where and how it runs.

    Attributes:
        name: a card's name, or the path of a checkpoint.
        denoise: strength from 0 to 1, for models that have one; None is the model's default.
        device: `auto`, `cpu`, `cuda:0` and so on, or `mps`.
        precision: of the network's arithmetic; `auto` is the fastest that keeps to the bound.
        backend: what runs the network; `auto` is the fastest by calibration.
    """

    name: str
    denoise: float | None = None
    device: str = "auto"
    precision: Precision = "auto"
    backend: Backend = "auto"


class EngineUse(Frozen):
    """What ran a network, for the report: `fell_back` says why the precision is not the one chosen first."""

    backend: str
    device: str
    precision: str
    fell_back: str = ""


@dataclass(frozen=True, order=True)
class Rect:
    """Source pixels from (left, top) up to but not including (right, bottom)."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.bottom - self.top


class Upscaler(Protocol):
    """Makes one picture larger; equal pictures give equal results, and several threads may use it at once."""

    @property
    def name(self) -> str:
        """Its name, as in its card."""
        ...

    @property
    def digest(self) -> str:
        """What identifies its weights and code; part of every chunk's key. Known without loading it."""
        ...

    @property
    def parallel(self) -> int:
        """How many pictures are best upscaled at the same time, each by a thread of its own."""
        ...

    @property
    def use(self) -> EngineUse:
        """What runs it now."""
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
            colour: range, matrix and chroma siting of the source.
            target: range of the result; the source's where it is None.
        """
        ...


@runtime_checkable
class RegionUpscaler(Upscaler, Protocol):
    """An upscaler that can compute parts of a result, equal to the same parts of the whole."""

    def spread(self, picture: Picture, size: tuple[int, int]) -> int | None:
        """How far a changed source pixel reaches in the result, in source pixels.

        Counts chroma resampling, the receptive field and the resampling to `size`, for regions that begin and
        end at multiples of 16 pixels or the picture's edges; None where parts cannot be made.
        """
        ...

    def upscale_regions(
        self,
        picture: Picture,
        before: Picture,
        regions: Sequence[Rect],
        size: tuple[int, int],
        layout: PixelLayout,
        colour: Colour,
        target: Colour | None = None,
        *,
        halo: int | None = None,
    ) -> Picture:
        """The whole result of `picture`, with `before` outside `regions` and newly computed inside.

        Args:
            picture: the source.
            before: result of an earlier picture, of the wanted size and layout; it is not written to.
            regions: parts of the result to compute, in source pixels, disjoint; a result pixel belongs to the
                region that holds its centre.
            size: as for `upscale`.
            layout: as for `upscale`.
            colour: as for `upscale`.
            target: as for `upscale`.
            halo: source pixels around a region that its network sees, where less than its receptive field is
                good enough; None is the whole receptive field, and exact.
        """
        ...
