"""Anime4K's networks ACNet and ARNet through pyanime4k: small, no download, made for drawn pictures."""

from importlib.metadata import version

from sakuga.media.info import Colour, PixelLayout
from sakuga.media.picture import Picture
from sakuga.media.resize import Levels, resize_chroma
from sakuga.models.base import EngineUse, ModelCard
from sakuga.models.processes import network_processes

_NETWORKS = (
    ("acnet-gan", "ACNet", "Adds detail; for clean drawings."),
    ("acnet-hdn0", "ACNet", "Sharp lines and mild noise removal."),
    ("acnet-hdn1", "ACNet", "Moderate noise removal."),
    ("acnet-hdn2", "ACNet", "Heavy noise removal."),
    ("acnet-hdn3", "ACNet", "Extreme noise removal; softens texture."),
    ("arnet-hdn", "ARNet", "Residual network with mild noise removal; close to the source."),
)

CARDS = tuple(
    ModelCard(name=name, architecture=architecture, scale=2, purpose=purpose, licence="MIT", domain="drawn")
    for name, architecture, purpose in _NETWORKS
)


class Anime4K:
    """Upscaler by one of Anime4K's networks, on the CPU: luma through the network, chroma resampled."""

    use = EngineUse(backend="pyanime4k", device="cpu", precision="fp32")

    def __init__(self, name: str) -> None:
        self.name = name
        self.digest = f"pyanime4k-{version('pyanime4k')}-{name}"

    @property
    def parallel(self) -> int:
        """One picture for each process."""
        return network_processes().most

    def upscale(
        self,
        picture: Picture,
        size: tuple[int, int],
        layout: PixelLayout,
        colour: Colour,
        target: Colour | None = None,
    ) -> Picture:
        """Upscale a whole picture; see `Upscaler.upscale`."""
        target = target or colour
        source = Levels.of(picture.layout.depth, colour.full_range, chroma=False)
        result = Levels.of(layout.depth, target.full_range, chroma=False)
        luma = network_processes().enlarge_luma(self.name, picture.planes[0], source, result, size)
        return Picture((luma, *resize_chroma(picture, size, layout, colour, target)), layout)
