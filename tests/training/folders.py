"""Folders of pictures and clips for tests of training."""

from functools import cache
from pathlib import Path

from PIL import Image

from tests.clips import make_clip
from training.drawings import drawing
from training.still import Rgb


def write_pictures(folder: Path, count: int, size: int = 200) -> list[Path]:
    """Different drawings as PNG; some files are kept out by their digests, as chance has it."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"drawing {number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.fromarray(_drawing(number, size)).save(path)
    return paths


@cache
def _drawing(number: int, size: int) -> Rgb:
    return drawing(5_000_001 + 2 * number, size)


def write_clip(path: Path) -> Path:
    """A clip that is large enough to learn from when it is halved."""
    return make_clip(path, frames=6, size=(448, 400))
