"""Pictures of what models do, side by side: `python -m benchmarks.own_pictures`."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.demo_art import drawing
from sakuga.media.picture import Picture
from sakuga.models.base import ModelChoice
from sakuga.models.registry import load_upscaler
from training.degrade import Degradation, degraded
from training.peers import COLOUR, LAYOUT
from training.still import from_rgb

FILE = Path("docs/images/own-drawn.png")
MODELS = ("lanczos", "acnet-hdn0", "drawn-s", "drawn-m")
MOMENT, SIZE = 3.0, (640, 360)
PART = (210, 110, 130, 100)
"""Left, top, width and height of what is shown, in pixels of the truth."""

ZOOM = 3
WORN = {"clean": Degradation(), "H.264, CRF 26": Degradation(codec="h264", quality=26)}
BAR = 22


def main() -> None:
    """Write the picture."""
    rgb = np.ascontiguousarray(drawing(MOMENT, SIZE))
    still = from_rgb(rgb)
    rows = []
    for name, how in WORN.items():
        planes = degraded([still] * (5 if how.moves else 1), how, np.random.default_rng(1))[-1]
        source = Picture(planes, LAYOUT)
        near = [np.repeat(np.repeat(plane, 2, 0), 2, 1) for plane in planes]
        shown = [_labelled(_rgb(Picture(tuple(near), LAYOUT)), f"source ({name})")]
        for model in MODELS:
            result = load_upscaler(ModelChoice(name=model)).upscale(source, SIZE, LAYOUT, COLOUR)
            shown.append(_labelled(_rgb(result), model))
        shown.append(_labelled(rgb, "truth"))
        rows.append(np.hstack(shown))
    FILE.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(FILE), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


def _rgb(picture: Picture) -> NDArray[np.uint8]:
    height, width = picture.height, picture.width
    planes = [
        cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        for plane in picture.planes
    ]
    luma, blue, red = (planes[0] - 16) / 219, (planes[1] - 128) / 224, (planes[2] - 128) / 224
    found = np.stack(
        [luma + 1.5748 * red, luma - 0.187324 * blue - 0.468124 * red, luma + 1.8556 * blue], axis=-1
    )
    return np.clip(np.rint(found * 255), 0, 255).astype(np.uint8)


def _labelled(rgb: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    left, top, width, height = PART
    part = rgb[top : top + height, left : left + width]
    large = cv2.resize(part, (ZOOM * width, ZOOM * height), interpolation=cv2.INTER_NEAREST)
    bar = np.full((BAR, large.shape[1], 3), 255, np.uint8)
    cv2.putText(bar, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return np.asarray(np.vstack([bar, large]), np.uint8)


if __name__ == "__main__":
    main()
