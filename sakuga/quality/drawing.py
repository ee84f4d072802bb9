"""Layouts of previews: a contact sheet, and two halves of a frame side by side."""

from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sakuga.media.info import MediaInfo
from sakuga.quality.colours import Rgb
from sakuga.quality.words import duration_text, rate_text

COLUMNS = 4
GROUND = (24, 24, 26)
INK = (222, 222, 224)
FAINT = (150, 150, 154)
MARGIN, GAP, LINE = 28, 14, 26
PANE = 640
"""Width and height that a half of the before/after picture has at most."""

LEAST_PANE = 360
"""A smaller half is enlarged by whole pixels until it is about this wide, so that they can be seen."""

DIVIDER = 4
SHEET_WIDTH = 420
"""The head line of a sheet needs this much."""


@dataclass(frozen=True, eq=False)
class Shot:
    """A small picture and its time in seconds."""

    time: Fraction
    image: Rgb


def time_label(seconds: Fraction) -> str:
    """`0:07.29`, or `1:02:07.29` from an hour on; cut, not rounded, to hundredths."""
    hundredths = int(seconds * 100)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 100:02d}.{rest % 100:02d}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"


def contact_sheet(shots: list[Shot], size: tuple[int, int], info: MediaInfo) -> Rgb:
    """Shots in a grid on dark neutral ground with their times, under a line about the result.

    Args:
        shots: at least one, all of one size.
        size: width and height of the result.
        info: what the result holds.
    """
    height, width = shots[0].image.shape[:2]
    columns = min(COLUMNS, len(shots))
    rows = -(-len(shots) // columns)
    full = max(SHEET_WIDTH, 2 * MARGIN + columns * width + (columns - 1) * GAP)
    sheet = Image.new("RGB", (full, 2 * MARGIN + LINE + GAP + rows * (height + LINE + GAP) - GAP), GROUND)
    draw = ImageDraw.Draw(sheet)
    rate = rate_text(info.video.frame_rate if info.video.constant_rate else None)
    head = f"{size[0]} x {size[1]}    {rate}    {duration_text(info.duration)}"
    draw.text((MARGIN, MARGIN), head, INK, ImageFont.load_default(18))
    small = ImageFont.load_default(14)
    for number, shot in enumerate(shots):
        left = MARGIN + number % columns * (width + GAP)
        top = MARGIN + LINE + GAP + number // columns * (height + LINE + GAP)
        sheet.paste(Image.fromarray(shot.image), (left, top))
        draw.text((left + 1, top + height + 5), time_label(shot.time), FAINT, small)
    return np.asarray(sheet, np.uint8)


def before_after(before: Rgb, after: Rgb) -> Rgb:
    """The same detail twice: left the source enlarged plainly (bicubic), right the result.

    Args:
        before: the film frame, of the source's size.
        after: the result's frame; the detail is where it has most structure.
    """
    height, width = after.shape[:2]
    plain = cv2.resize(before, (width, height), interpolation=cv2.INTER_CUBIC)
    pane = min(width, PANE), min(height, PANE)
    left, top = detail(after, pane)
    zoom = max(1, round(LEAST_PANE / pane[0]))
    halves = [
        np.asarray(image)[top : top + pane[1], left : left + pane[0]].repeat(zoom, 0).repeat(zoom, 1)
        for image in (plain, after)
    ]
    divider = np.full((pane[1] * zoom, DIVIDER, 3), 245, np.uint8)
    picture = Image.fromarray(np.concatenate([halves[0], divider, halves[1]], axis=1).astype(np.uint8))
    _label(picture, 0, "before")
    _label(picture, pane[0] * zoom + DIVIDER, "after")
    return np.asarray(picture, np.uint8)


def detail(image: Rgb, pane: tuple[int, int]) -> tuple[int, int]:
    """Left and top of the part of this (width, height) with the most structure (mean strength of edges)."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    # the root keeps one hard edge, such as a letterbox or a title, from outweighing a face
    energy: NDArray[np.float32] = np.sqrt(np.abs(np.asarray(across)) + np.abs(np.asarray(down)))
    total = cv2.integral(energy)
    width, height = pane
    sums = (
        total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    )
    top, left = np.unravel_index(int(np.argmax(sums)), sums.shape)
    return int(left), int(top)


def _label(picture: Image.Image, left: int, text: str) -> None:
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(16)
    x0, y0, x1, y1 = draw.textbbox((0, 0), text, font=font)
    box = (left + 10, 10, left + 10 + int(x1 - x0) + 16, 10 + 26)
    draw.rounded_rectangle(box, 6, GROUND)
    draw.text((box[0] + 8 - x0, box[1] + (26 - (y1 - y0)) / 2 - y0), text, INK, font)
