"""Colour tags, working layouts, and the way from what a decoder gives to planes of samples."""

import re
from collections.abc import Mapping

import cv2
import numpy as np
from av import VideoFrame
from av.video.format import VideoFormat
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray

from sakuga.media.info import ChromaFormat, Colour, HdrKind, PixelLayout
from sakuga.media.picture import Picture, Plane

# Code points of ITU-T H.273 (tables 2, 3, 4) by ffmpeg's names.
PRIMARIES = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
    22: "ebu3213",
}
TRANSFERS = {
    1: "bt709",
    4: "gamma22",
    5: "gamma28",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log100",
    10: "log316",
    11: "iec61966-2-4",
    12: "bt1361e",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
MATRICES = {
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    11: "smpte2085",
    12: "chroma-derived-nc",
    13: "chroma-derived-c",
    14: "ictcp",
}
LUMA_SHARES = {
    "bt709": (0.2126, 0.0722),
    "smpte170m": (0.299, 0.114),
    "bt470bg": (0.299, 0.114),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
    "bt2020nc": (0.2627, 0.0593),
    "bt2020c": (0.2627, 0.0593),
}
"""Shares of red and blue in luma by matrix (ITU-T H.273, table 4)."""

HDR: dict[str, HdrKind] = {"smpte2084": "pq", "arib-std-b67": "hlg"}
FULL_RANGE = 2
SD_HEIGHT, SD_WIDTH, PAL_HEIGHT = 576, 1024, 576

PLANAR = re.compile(r"yuva4(20|22|44)p|yuva?4(20|22|44)p(9|10|12|14|16)le|gray(9|10|12|14|16)le")
"""Formats whose first planes are those of a working layout, but for their depth."""

SWSCALE = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
SWSCALE |= Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP

# ITU-R BT.709-6, 3.3 and 3.4: luma weights, and colour differences scaled to one half.
KR, KB = 0.2126, 0.0722
BT709 = np.array(
    [
        [KR, 1 - KR - KB, KB],
        [-KR / (2 - 2 * KB), -(1 - KR - KB) / (2 - 2 * KB), 0.5],
        [0.5, -(1 - KR - KB) / (2 - 2 * KR), -KB / (2 - 2 * KR)],
    ]
)


def luma_shares(matrix: str) -> tuple[float, float, float]:
    """Shares of red, green and blue in luma; an unknown matrix is read as BT.709."""
    red, blue = LUMA_SHARES.get(matrix, LUMA_SHARES["bt709"])
    return red, 1 - red - blue, blue


def code_of(names: Mapping[int, str], name: str) -> int:
    """The number of ITU-T H.273 that a name stands for."""
    return next(code for code, known in names.items() if known == name)


def is_rgb(pixels: VideoFormat) -> bool:
    """Whether a decoder's format holds red, green and blue, a palette, or one-bit pixels."""
    return pixels.is_rgb or pixels.has_palette or pixels.name in ("monow", "monob")


def has_alpha(pixels: VideoFormat) -> bool:
    """Whether a decoder's format can hold transparency."""
    return len(pixels.components) in (2, 4) or pixels.has_palette


def working_layout(pixels: VideoFormat) -> PixelLayout:
    """The layout that holds a decoder's format: same chroma, 8 bits, or 10 for anything deeper."""
    depth = max((part.bits for part in pixels.components), default=8)
    return PixelLayout(chroma=_chroma(pixels), depth=8 if depth <= 8 else 10)


def _chroma(pixels: VideoFormat) -> ChromaFormat:
    if is_rgb(pixels):
        return "444"
    if len(pixels.components) < 3:
        return "gray"
    wide = pixels.chroma_width(64) < 64
    high = pixels.chroma_height(64) < 64
    return "420" if wide and high else "422" if wide else "444"


def colour_of(
    tags: tuple[int, int, int, int], size: tuple[int, int], *, rgb: bool, full: bool, mpeg1: bool = False
) -> Colour:
    """Colour from the tags of a stream, with defaults for what they leave open.

    Untagged SD is BT.601 (625 lines with 576, else 525), untagged HD is BT.709. RGB sources are handed on as
    BT.709 in limited range.

    Args:
        tags: matrix, primaries and transfer as H.273 code points, and ffmpeg's number of the range.
        size: stored width and height.
        rgb: the source holds RGB.
        full: the pixel format itself says full range.
        mpeg1: the codec puts chroma samples between luma samples (MPEG-1, JPEG, H.261).
    """
    matrix, primaries, transfer, span = tags
    width, height = size
    if rgb or width > SD_WIDTH or height > SD_HEIGHT:
        default = "bt709"
    else:
        default = "bt470bg" if height == PAL_HEIGHT else "smpte170m"
    default_transfer = "bt709" if default == "bt709" else "smpte170m"
    return Colour(
        matrix="bt709" if rgb else MATRICES.get(matrix, default),
        primaries=PRIMARIES.get(primaries, default),
        transfer=TRANSFERS.get(transfer, default_transfer),
        full_range=not rgb and (full or span == FULL_RANGE),
        siting="center" if mpeg1 else "left",
        tagged=not rgb and matrix in MATRICES,
    )


class Unpacker:
    """Makes pictures of decoded frames; holds the state of the converter, so one for each thread."""

    def __init__(self, layout: PixelLayout, *, full_range: bool) -> None:
        self._layout = layout
        self._range = ColorRange.JPEG if full_range else ColorRange.MPEG
        self._direct = {layout.pix_fmt}
        if layout.depth == 8 and layout.chroma != "gray":
            self._direct.add(layout.pix_fmt.replace("yuv", "yuvj"))
        self._reformatter = VideoReformatter()

    def picture(self, frame: VideoFrame) -> Picture:
        """Planes of a frame, copied; YUV keeps its matrix and range, RGB becomes BT.709 in limited range."""
        if frame.format.name in self._direct:
            planes = tuple(_plane(frame, number) for number in range(len(frame.planes)))
        elif PLANAR.fullmatch(frame.format.name):
            planes = self._shifted(frame)
        elif is_rgb(frame.format):
            planes = rgb_to_yuv(self._rgb(frame), self._layout.depth)
        else:
            planes = self._converted(frame)
        return Picture(planes, self._layout)

    def _shifted(self, frame: VideoFrame) -> tuple[Plane, ...]:
        """Planes without alpha, deep ones rounded to the layout's depth; swscale would dither them."""
        planes = tuple(_plane(frame, number) for number in range(1 if self._layout.chroma == "gray" else 3))
        bits = frame.format.components[0].bits
        depth = self._layout.depth
        if bits == depth:
            return planes
        if bits < depth:
            return tuple((plane << depth - bits).astype(np.uint16) for plane in planes)
        half, down, top = 1 << bits - depth - 1, bits - depth, (1 << depth) - 1
        return tuple(
            np.minimum((plane.astype(np.uint32) + half) >> down, top).astype(np.uint16) for plane in planes
        )

    def _converted(self, frame: VideoFrame) -> tuple[Plane, ...]:
        result = self._reformatter.reformat(
            frame,
            format=self._layout.pix_fmt,
            src_colorspace=None,
            dst_colorspace=None,
            interpolation=SWSCALE,
            src_color_range=self._range,
            dst_color_range=self._range,
            threads=1,
        )
        return tuple(_plane(result, number) for number in range(len(result.planes)))

    def _rgb(self, frame: VideoFrame) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Red, green and blue over black, shape (height, width, 3), in 8 bits or 16."""
        deep = self._layout.depth > 8
        if not has_alpha(frame.format):
            return self._packed(frame, "rgb48le" if deep else "rgb24", 3)
        pixels = self._packed(frame, "rgba64le" if deep else "rgba", 4)
        alpha = pixels[..., 3:].astype(np.uint32)
        if int(alpha.min()) == (top := np.iinfo(pixels.dtype).max):
            return pixels[..., :3]
        over = (pixels[..., :3] * alpha + top // 2) // top
        return over.astype(np.uint16) if deep else over.astype(np.uint8)

    def _packed(self, frame: VideoFrame, name: str, channels: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
        if frame.format.name != name:
            frame = self._reformatter.reformat(
                frame,
                format=name,
                interpolation=SWSCALE,
                src_color_range=ColorRange.JPEG,
                dst_color_range=ColorRange.JPEG,
                threads=1,
            )
        rows = _rows(frame, 0, wide=name.endswith("le"))
        return rows[:, : frame.width * channels].reshape(frame.height, frame.width, channels)


def rgb_to_yuv(rgb: NDArray[np.uint8] | NDArray[np.uint16], depth: int) -> tuple[Plane, ...]:
    """BT.709 Y, Cb and Cr in limited range, rounded from 32-bit floats (ITU-R BT.709-6, 3.2 to 3.5).

    Args:
        rgb: full-range samples of 8 or 16 bits, shape (height, width, 3).
        depth: bits of the result, 8 or 10.
    """
    step = 1 << depth - 8
    gains = np.array([219, 224, 224]) * step / np.iinfo(rgb.dtype).max
    offsets = np.array([16, 128, 128]) * step
    matrix = np.hstack([BT709 * gains[:, None], offsets[:, None]]).astype(np.float32)
    mixed = cv2.transform(rgb.astype(np.float32), matrix)
    whole = np.rint(mixed).astype(np.uint8 if depth == 8 else np.uint16)
    return tuple(np.ascontiguousarray(whole[..., channel]) for channel in range(3))


def _plane(frame: VideoFrame, number: int) -> Plane:
    rows = _rows(frame, number, wide=frame.format.components[0].bits > 8)
    return rows[:, : frame.planes[number].width].copy()


def _rows(frame: VideoFrame, number: int, *, wide: bool) -> Plane:
    """A plane with its padding, shape (height, samples in a line); a view of the frame's memory."""
    plane = frame.planes[number]
    data = memoryview(plane)
    if wide:
        return np.frombuffer(data, np.uint16).reshape(plane.height, plane.line_size // 2)
    return np.frombuffer(data, np.uint8).reshape(plane.height, plane.line_size)
