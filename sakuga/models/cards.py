"""Models whose weights are downloaded: what they are good for, and where their authors publish them."""

from sakuga.errors import OptionError
from sakuga.models.base import ModelCard, WeightsFile

_REALESRGAN = "https://github.com/xinntao/Real-ESRGAN/releases/download/"


def _published(release: str, sha256: str, size: int) -> WeightsFile:
    name = release.rpartition("/")[2]
    return WeightsFile(name=name, url=_REALESRGAN + release, sha256=sha256, size=size)


CARDS = (
    ModelCard(
        name="realesr-animevideov3",
        architecture="SRVGGNetCompact, 16 layers of 64 channels",
        scale=4,
        purpose="Drawn video: clean lines and little flicker, and by far the fastest of these.",
        licence="BSD-3-Clause",
        domain="drawn",
        radius=18,
        weights=(
            _published(
                "v0.2.5.0/realesr-animevideov3.pth",
                "b8a8376811077954d82ca3fcf476f1ac3da3e8a68a4f4d71363008000a18b75d",
                2504012,
            ),
        ),
    ),
    ModelCard(
        name="realesr-general-x4v3",
        architecture="SRVGGNetCompact, 32 layers of 64 channels",
        scale=4,
        purpose="Filmed and mixed video: small, with a strength of noise removal that can be chosen.",
        licence="BSD-3-Clause",
        domain="any",
        radius=34,
        weights=(
            _published(
                "v0.2.5.0/realesr-general-x4v3.pth",
                "8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
                4885111,
            ),
            _published(
                "v0.2.5.0/realesr-general-wdn-x4v3.pth",
                "1641f8c4464b9f097c9fdda5589273713f67cf59f3d909e0bd688f0cee269dca",
                4885111,
            ),
        ),
    ),
    ModelCard(
        name="realesrgan-x4plus",
        architecture="RRDBNet, 23 blocks of 64 channels",
        scale=4,
        purpose="Photographs: the most detail, much of it invented, and slow even on a GPU.",
        licence="BSD-3-Clause",
        domain="any",
        weights=(
            _published(
                "v0.1.0/RealESRGAN_x4plus.pth",
                "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
                67040989,
            ),
        ),
    ),
    ModelCard(
        name="realesrgan-x4plus-anime-6b",
        architecture="RRDBNet, 6 blocks of 64 channels",
        scale=4,
        purpose="Drawn pictures: sharper than realesr-animevideov3, slower, and less steady in motion.",
        licence="BSD-3-Clause",
        domain="drawn",
        weights=(
            _published(
                "v0.2.2.4/RealESRGAN_x4plus_anime_6B.pth",
                "f872d837d3c90ed2e05227bed711af5671a6fd1c9f7d7e91c911a61f155e99da",
                17938799,
            ),
        ),
    ),
    ModelCard(
        name="realesrgan-x2plus",
        architecture="RRDBNet, 23 blocks of 64 channels, on pixels of half the size",
        scale=2,
        purpose="Photographs at twice the size: milder than realesrgan-x4plus and faster, yet slow.",
        licence="BSD-3-Clause",
        domain="any",
        weights=(
            _published(
                "v0.2.1/RealESRGAN_x2plus.pth",
                "49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb",
                67061725,
            ),
        ),
    ),
)
"""Upscalers."""

RIFE = ModelCard(
    name="rife-4.25",
    architecture="IFNet",
    scale=1,
    purpose="Frames between frames, for --fps with --interpolation rife; it does not upscale.",
    licence="MIT",
    domain="any",
    weights=(
        WeightsFile(
            name="flownet_v4.25.pkl",
            url="https://github.com/HolyWu/vs-rife/releases/download/model/flownet_v4.25.pkl",
            sha256="6615790efd627772917205db291f51cd392528a157ecbb2ecaeec3bff8eb6de2",
            size=None,
        ),
    ),
)

DOWNLOADS = (*CARDS, RIFE)
"""Everything that has weights to download."""

INSTALL = "run `make models` in Sakuga's folder"
"""How to get what runs them; a plain `pip install sakuga[torch]` elsewhere would ask strangers for it."""


def find_card(name: str) -> ModelCard:
    """The card of this name among `DOWNLOADS`.

    Raises:
        OptionError: there is none.
    """
    for card in DOWNLOADS:
        if card.name == name:
            return card
    raise OptionError(f"There are no weights of a model {name!r} to download.")
