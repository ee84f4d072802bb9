"""High dynamic range (PQ, HLG) to standard: BT.2020 light to BT.709 pictures of the same layout.

Sources: SMPTE ST 2084 (PQ), ITU-R BT.2100-2 (HLG and its OOTF), BT.2408 (diffuse white is 203 cd/m2),
BT.2390-8 section 5.4 (the tone curve), BT.2087 (primaries), BT.1886 (the display's gamma 2.4).
"""

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sakuga.media.info import Colour, PixelLayout
from sakuga.media.picture import Picture, Plane

Floats = NDArray[np.float32]

DIFFUSE_WHITE = 203.0
"""cd/m2 that become the brightest SDR white: BT.2408's HDR reference white, where tone mapping ends."""
SOURCE_PEAK = 1000.0
"""cd/m2 of the brightest highlight that is kept apart: HLG's nominal display, and how most PQ is mastered."""
PQ_PEAK = 10000.0
DISPLAY_GAMMA = 2.4
HLG_GAMMA = 1.2
"""The OOTF's exponent for a display of 1000 cd/m2."""
STEPS = 1 << 14
"""Entries of a look-up table: 16 for every code of 10 bits."""

BT2020_LUMA = (0.2627, 0.6780, 0.0593)
BT709_LUMA = (0.2126, 0.7152, 0.0722)
BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
"""Linear light, ITU-R BT.2407 section 2.2; rows are rescaled below so that white stays exactly neutral."""


def sdr_colour(colour: Colour) -> Colour:
    """The tags of tone-mapped pictures: BT.709, limited range, siting as before."""
    return Colour(
        matrix="bt709",
        primaries="bt709",
        transfer="bt709",
        full_range=False,
        siting=colour.siting,
        tagged=True,
    )


def to_sdr(picture: Picture, colour: Colour) -> Picture:
    """The picture tone-mapped to BT.709, limited range, in the same layout.

    Light outside BT.709 is moved towards grey of the same luminance until it is inside. Then the tone curve
    is applied to the brightest of red, green and blue and the others follow in proportion, so hues stay.

    Args:
        picture: an HDR picture.
        colour: its colours; `transfer` is `smpte2084` (PQ) or `arib-std-b67` (HLG).
    """
    coded = _to_rgb(picture, colour)
    light = _hlg_light(coded) if colour.transfer == "arib-std-b67" else _look_up(_pq_table(), coded)
    if colour.primaries != "bt709":
        matrix = BT2020_TO_BT709 / BT2020_TO_BT709.sum(axis=1, keepdims=True)
        light = _into_gamut(np.asarray(cv2.transform(light, matrix), np.float32))
    brightest = np.maximum(light.max(axis=2), 0)
    light *= _look_up(_gain_table(), np.sqrt(np.sqrt(brightest / PQ_PEAK)))[..., None]
    np.clip(light, 0, 1, out=light)
    return _from_rgb(_look_up(_display_table(), np.sqrt(light)), picture, colour)


def pq_light(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """ST 2084's EOTF: cd/m2 of code values from 0 to 1."""
    power = np.power(code, 1 / (2523 / 4096 * 128))
    ratio = np.maximum(power - 3424 / 4096, 0) / (2413 / 4096 * 32 - 2392 / 4096 * 32 * power)
    return PQ_PEAK * np.power(ratio, 1 / (2610 / 16384))


def pq_code(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """ST 2084's inverse EOTF: code values from 0 to 1 of cd/m2."""
    power = np.power(light / PQ_PEAK, 2610 / 16384)
    ratio = (3424 / 4096 + 2413 / 4096 * 32 * power) / (1 + 2392 / 4096 * 32 * power)
    return np.power(ratio, 2523 / 4096 * 128)


def tone_curve(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """BT.2390's EETF from `SOURCE_PEAK` to `DIFFUSE_WHITE`, in cd/m2: straight, then a soft shoulder."""
    peak = pq_code(np.array(SOURCE_PEAK))
    code = np.minimum(pq_code(light) / peak, 1)
    most = pq_code(np.array(DIFFUSE_WHITE)) / peak
    knee = 1.5 * most - 0.5
    t = np.maximum(code - knee, 0) / (1 - knee)
    shoulder = (
        (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
    )
    return pq_light(np.where(code < knee, code, shoulder) * peak)


def _look_up(table: Floats, at: Floats) -> Floats:
    index = np.clip(at * (STEPS - 1) + 0.5, 0, STEPS - 1).astype(np.uint16)
    found: Floats = np.take(table, index)
    return found


@cache
def _pq_table() -> Floats:
    return pq_light(np.linspace(0, 1, STEPS)).astype(np.float32)


@cache
def _hlg_table() -> Floats:
    """BT.2100's inverse OETF: scene light from 0 to 1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    code = np.linspace(0, 1, STEPS)
    return np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12).astype(np.float32)


@cache
def _gain_table() -> Floats:
    """What light is multiplied with, by the fourth root of light; 1 is white afterwards."""
    light = np.linspace(0, 1, STEPS) ** 4 * PQ_PEAK
    light[0] = light[1]
    return (tone_curve(light) / DIFFUSE_WHITE / light).astype(np.float32)


@cache
def _display_table() -> Floats:
    """BT.1886's inverse: code values by the square root of light."""
    return (np.linspace(0, 1, STEPS) ** (2 / DISPLAY_GAMMA)).astype(np.float32)


def _hlg_light(coded: Floats) -> Floats:
    scene = _look_up(_hlg_table(), coded)
    luminance = np.asarray(cv2.transform(scene, np.array([BT2020_LUMA], np.float32)), np.float32)
    gain = SOURCE_PEAK * np.power(np.maximum(luminance.reshape(scene.shape[:2]), 1e-9), HLG_GAMMA - 1)
    return np.asarray(scene * gain[..., None], np.float32)


def _into_gamut(light: Floats) -> Floats:
    """Colours moved towards grey of their luminance, just as far as makes all channels positive."""
    lowest = light.min(axis=2)
    if lowest.min() >= 0:
        return light
    luminance = np.asarray(cv2.transform(light, np.array([BT709_LUMA], np.float32))).reshape(lowest.shape)
    luminance = np.maximum(luminance, 0)
    keep = np.where(lowest < 0, luminance / np.maximum(luminance - lowest, 1e-9), 1).astype(np.float32)
    return np.asarray(luminance[..., None] + (light - luminance[..., None]) * keep[..., None], np.float32)


def _to_rgb(picture: Picture, colour: Colour) -> Floats:
    """R'G'B' from 0 to 1, shaped (height, width, 3)."""
    scale = 1 << (picture.layout.depth - 8)
    low, span, chroma_span = (0, 256 * scale - 1, 256 * scale - 1)
    if not colour.full_range:
        low, span, chroma_span = 16 * scale, 219 * scale, 224 * scale
    luma = (picture.planes[0].astype(np.float32) - low) / span
    if len(picture.planes) == 1:
        return np.clip(np.repeat(luma[..., None], 3, axis=2), 0, 1)
    chroma = [_stretch(plane, picture, colour) for plane in picture.planes[1:]]
    ycc = np.dstack([luma, *((plane - 128 * scale) / chroma_span for plane in chroma)]).astype(np.float32)
    red, green, blue = BT709_LUMA if colour.matrix == "bt709" else BT2020_LUMA
    matrix = np.array(
        [
            [1, 0, 2 - 2 * red],
            [1, -(2 - 2 * blue) * blue / green, -(2 - 2 * red) * red / green],
            [1, 2 - 2 * blue, 0],
        ],
        np.float32,
    )
    return np.clip(np.asarray(cv2.transform(ycc, matrix), np.float32), 0, 1)


def _from_rgb(coded: Floats, picture: Picture, colour: Colour) -> Picture:
    layout = picture.layout
    scale, top = 1 << (layout.depth - 8), (256 << (layout.depth - 8)) - 1
    red, green, blue = BT709_LUMA
    matrix = np.array(
        [
            [red, green, blue],
            [-red / (2 - 2 * blue), -green / (2 - 2 * blue), 0.5],
            [0.5, -green / (2 - 2 * red), -blue / (2 - 2 * red)],
        ],
        np.float32,
    )
    ycc = np.asarray(cv2.transform(coded, matrix), np.float32)
    dtype: Any = picture.planes[0].dtype
    luma = ycc[..., 0] * (219 * scale) + (16 * scale + 0.5)
    planes: list[Plane] = [luma.astype(dtype, order="C")]
    for channel in range(1, len(picture.planes)):
        small = _shrink(np.ascontiguousarray(ycc[..., channel]), layout, colour)
        code = np.clip(small * (224 * scale) + (128 * scale + 0.5), scale, top - scale)
        planes.append(code.astype(dtype, order="C"))
    return Picture(tuple(planes), layout)


def _offsets(layout: PixelLayout, colour: Colour) -> tuple[float, float]:
    """How far right and down of the corner's luma sample the first chroma sample lies."""
    across = 0.0 if "left" in colour.siting or layout.chroma == "444" else 0.5
    down = 0.5 if layout.chroma == "420" and colour.siting in ("left", "center") else 0.0
    if layout.chroma == "420" and "bottom" in colour.siting:
        down = 1.0
    return across, down


def _stretch(plane: Plane, picture: Picture, colour: Colour) -> Floats:
    if plane.shape == picture.planes[0].shape:
        return plane.astype(np.float32)
    step_x, step_y = 2, 2 if picture.layout.chroma == "420" else 1
    across, down = _offsets(picture.layout, colour)
    map_matrix = np.array([[1 / step_x, 0, -across / step_x], [0, 1 / step_y, -down / step_y]])
    return _warp(plane.astype(np.float32), map_matrix, picture.width, picture.height)


def _shrink(plane: Floats, layout: PixelLayout, colour: Colour) -> Floats:
    width, height = layout.chroma_size(plane.shape[1], plane.shape[0])
    if (height, width) == plane.shape:
        return plane
    across, down = _offsets(layout, colour)
    step_x, step_y = 2, 2 if layout.chroma == "420" else 1
    # a tent over the samples around each place, so that nothing aliases
    kernel_x = np.array([0.25, 0.5, 0.25] if across == 0 else [0, 0.5, 0.5], np.float32)
    kernel_y = np.array([0.25, 0.5, 0.25] if down != 0.5 else [0, 0.5, 0.5], np.float32)
    if step_y == 1:
        kernel_y = np.array([0, 1, 0], np.float32)
    smooth = cv2.sepFilter2D(plane, -1, kernel_x, kernel_y, borderType=cv2.BORDER_REPLICATE)
    rows = np.minimum(np.arange(height) * step_y + int(down), plane.shape[0] - 1)
    columns = np.minimum(np.arange(width) * step_x, plane.shape[1] - 1)
    shrunk: Floats = np.asarray(smooth, np.float32)[rows][:, columns]
    return shrunk


def _warp(plane: Floats, matrix: NDArray[np.float64], width: int, height: int) -> Floats:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    result = cv2.warpAffine(plane, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(result, np.float32)
