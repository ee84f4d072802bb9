from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.info import Colour
from sakuga.media.probe import probe
from sakuga.settings import Limits
from tests.acceptance.jobs import make_chunks
from tests.clips import Rgb, make_clip

FRAMES = 3
SIZE = (128, 96)
MEAN_ERROR = 1 / 255
"""Mean error per channel that the contract allows after scaling back."""
Floats = NDArray[np.float64]

MATRICES = {"smpte170m": 6, "bt470bg": 5, "bt709": 1, "bt2020nc": 9}
"""ffmpeg's numbers (ITU-T H.273), with a primaries and transfer number each that are the same or near."""
WEIGHTS = {
    "smpte170m": (0.299, 0.114),
    "bt470bg": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020nc": (0.2627, 0.0593),
}
"""Red and blue shares of luma (BT.601, BT.709, BT.2020)."""


def soft(number: int, width: int, height: int) -> Rgb:
    """Soft saturated colours that go through the whole range without hard edges."""
    y, x = np.mgrid[0:height, 0:width]
    wave = 2 * np.pi * (x / width + number / 24)
    channels = [np.sin(wave), np.sin(wave + 2 * np.pi * y / height), np.cos(2 * np.pi * y / height)]
    return np.stack([127.5 + 120 * channel for channel in channels], axis=-1).astype(np.uint8)


def tagged(matrix: str, full: bool) -> Callable[[av.VideoStream], None]:
    def prepare(stream: av.VideoStream) -> None:
        context = stream.codec_context
        context.colorspace = MATRICES[matrix]
        context.color_primaries = context.color_trc = 1 if matrix == "bt709" else 6
        context.color_range = 2 if full else 1

    return prepare


def as_rgb(frame: av.VideoFrame, colour: Colour) -> Floats:
    """A YCbCr frame as RGB from 0 to 1, by the definition of its matrix and range."""
    depth = 10 if "10" in frame.format.name else 8
    step = 1 << (depth - 8)
    planes = [
        np.frombuffer(memoryview(plane), np.uint8)
        .reshape(-1, plane.line_size)
        .view(np.uint16 if depth == 10 else np.uint8)[:, : plane.width]
        .astype(np.float64)
        for plane in frame.planes[:3]
    ]
    black, span, chroma_span = (0.0, 256.0 * step - 1, 256.0 * step - 1)
    if not colour.full_range:
        black, span, chroma_span = 16.0 * step, 219.0 * step, 224.0 * step
    luma = (planes[0] - black) / span
    if len(planes) == 1:
        return np.stack([luma] * 3, axis=-1)
    blue, red = ((at_luma(plane, luma.shape, colour) - 128 * step) / chroma_span for plane in planes[1:])
    kr, kb = WEIGHTS[colour.matrix]
    r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    return np.asarray(np.clip(np.stack([r, g, b], axis=-1), 0, 1))


def at_luma(plane: Floats, shape: tuple[int, ...], colour: Colour) -> Floats:
    """A chroma plane at the places of the luma samples, which lie beside it as the siting says."""
    across, down = shape[1] // plane.shape[1], shape[0] // plane.shape[0]
    left = 0.0 if "left" in colour.siting else (across - 1) / 2
    share = 0.0 if "top" in colour.siting else 1.0 if "bottom" in colour.siting else 0.5
    top = share * (down - 1)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    places = ((x - left) / across, (y - top) / down)
    larger = cv2.remap(plane, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(larger, np.float64)


def colours_of(path: Path) -> tuple[list[Floats], Colour]:
    colour = probe(path, Limits()).info.video.colour
    with av.open(str(path)) as container:
        return [as_rgb(frame, colour) for frame in container.decode(video=0)], colour


def errors(before: list[Floats], after: list[Floats]) -> Floats:
    """Mean absolute error per channel after scaling back."""
    assert len(before) == len(after)
    size = before[0].shape[1], before[0].shape[0]
    back = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in after]
    return np.asarray(np.abs(np.array(before) - np.array(back)).mean(axis=(0, 1, 2)))


def spec() -> EnhanceSpec:
    return EnhanceSpec.model_validate({"model": "lanczos", "quality": 0, "preset": "ultrafast"})


@pytest.mark.slow
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", ["smpte170m", "bt709", "bt2020nc"])
@pytest.mark.parametrize("chroma", ["420", "422", "444"])
@pytest.mark.parametrize("depth", ["", "10le"], ids=["8bit", "10bit"])
def test_colours_are_unchanged_after_scaling_back(
    tmp_path: Path, depth: str, chroma: str, matrix: str, full: bool
) -> None:
    source = make_clip(
        tmp_path / "clip.mkv",
        frames=FRAMES,
        size=SIZE,
        draw=soft,
        pix_fmt=f"yuv{chroma}p{depth}",
        options={"qp": "0"},
        prepare=tagged(matrix, full),
    )
    made = make_chunks(source, tmp_path / "out", spec())
    before, said = colours_of(source)
    after, tags = colours_of(made.chunks[0])
    assert (said.matrix, said.full_range) == (matrix, full)
    assert tags.tagged
    assert errors(before, after).max() < MEAN_ERROR
    assert made.plan.layout.depth == (10 if depth else 8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "matrix"),
    [((720, 480), "smpte170m"), ((720, 576), "bt470bg"), ((1280, 720), "bt709")],
    ids=["480 lines", "576 lines", "720 lines"],
)
def test_untagged_video_gets_the_colours_of_its_size(
    tmp_path: Path, size: tuple[int, int], matrix: str
) -> None:
    source = make_clip(tmp_path / "clip.mkv", frames=1, size=size, draw=soft, options={"qp": "0"})
    made = make_chunks(source, tmp_path / "out", spec())
    before, said = colours_of(source)
    after, tags = colours_of(made.chunks[0])
    assert (said.matrix, said.tagged) == (matrix, False)
    assert tags.tagged
    assert errors(before, after).max() < MEAN_ERROR


@pytest.mark.slow
@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [("ffv1", "gray"), ("ffv1", "gray10le"), ("ffv1", "bgr0"), ("png", "rgba"), ("libx264", "gray")],
)
def test_grey_rgb_and_alpha_keep_their_colours(tmp_path: Path, codec: str, pix_fmt: str) -> None:
    """RGB sources are compared with what was drawn, which ffv1 and png keep exactly."""
    source = make_clip(
        tmp_path / ("clip.mov" if codec == "png" else "clip.mkv"),
        frames=FRAMES,
        size=SIZE,
        draw=soft,
        codec=codec,
        pix_fmt=pix_fmt,
        options={"qp": "0"} if codec == "libx264" else {},
    )
    made = make_chunks(source, tmp_path / "out", spec())
    if pix_fmt.startswith("gray"):
        before, _ = colours_of(source)
    else:
        before = [soft(number, *SIZE) / 255 for number in range(FRAMES)]
    after, _ = colours_of(made.chunks[0])
    assert errors(before, after).max() < MEAN_ERROR
