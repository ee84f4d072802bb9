"""One picture of each scene of an episode, on a sheet."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sakuga.episode.timeline import Placed, Timeline
from sakuga.media.decode import FrameReader
from sakuga.media.packets import PacketIndex
from sakuga.media.probe import probe
from sakuga.quality.colours import Rgb, to_rgb
from sakuga.quality.drawing import FAINT, GAP, GROUND, INK, LINE, MARGIN, SHEET_WIDTH, time_label
from sakuga.quality.previews import save_picture
from sakuga.quality.sample import RESULT_LIMITS
from sakuga.quality.words import duration_text, rate_text

MOST = 240
"""Scenes on a sheet; of more, so many are shown, spread over the episode."""

WIDTHS = ((16, 4, 320), (60, 6, 240), (MOST, 10, 160))
"""Up to how many scenes there are how many in a row, and how wide each picture is at most, in pixels."""

LEAST = 130
"""Width of a column at least, for the time below a picture."""

HEIGHT_SHARE = 0.75
"""Height of a picture at most, as a part of the width that it may have."""

NEAR = Fraction(1, 4)
"""Part of a scene on both sides of its middle in which a keyframe, which is found at once, is taken."""


@dataclass(frozen=True, eq=False)
class Shot:
    """A small picture of a scene, where it begins in seconds, and how long it is."""

    name: str
    start: Fraction
    seconds: Fraction
    image: Rgb


def scene_sheet(result: Path, title: str, timeline: Timeline, output: Path) -> Path:
    """Write a PNG with a picture from the middle of each scene, its name and its time.

    Args:
        result: the finished episode.
        title: of the episode; only its printable Latin letters are drawn.
        timeline: of the episode.
        output: where to write; nothing is there until it is whole.

    Raises:
        DamagedMediaError: a frame does not decode.
        DiskFullError: there is no room.
        EncodeError: the picture cannot be written.
    """
    made = probe(result, RESULT_LIMITS)
    video, count = made.info.video, len(timeline.scenes)
    chosen = timeline.scenes
    if count > MOST:
        chosen = tuple(timeline.scenes[number * (count - 1) // (MOST - 1)] for number in range(MOST))
    columns, widest = next((c, w) for most, c, w in WIDTHS if len(chosen) <= most)
    scale = min(1.0, widest / video.width, widest * HEIGHT_SHARE / video.height)
    size = max(2, round(video.width * scale)), max(2, round(video.height * scale))
    shots = []
    with FrameReader(result, video, made.packets, limits=RESULT_LIMITS) as reader:
        for placed in chosen:
            frame = min(middle(placed, made.packets), len(made.packets) - 1)
            picture = next(reader.read(frame, frame + 1))
            shots.append(
                Shot(
                    placed.name,
                    timeline.time(placed.first),
                    placed.frames / timeline.rate,
                    to_rgb(picture, video.colour, size),
                )
            )
    parts = [
        f"{video.width} x {video.height}",
        rate_text(timeline.rate),
        duration_text(timeline.duration),
        f"{count} scenes" if count == len(chosen) else f"{len(chosen)} of {count} scenes",
    ]
    return save_picture(_sheet(shots, title, "    ".join(parts), columns), output)


def middle(placed: Placed, packets: PacketIndex) -> int:
    """A frame near the middle of what a scene has for itself: a keyframe where one is near."""
    first, last = placed.first + placed.before, placed.first + placed.frames - placed.after
    if first >= last:
        first, last = placed.first, placed.first + placed.frames
    centre = (first + last) // 2
    reach = int((last - first) * NEAR)
    near = np.flatnonzero(packets.keyframe[max(0, centre - reach) : centre + reach + 1])
    if not len(near):
        return centre
    frames = near + max(0, centre - reach)
    return int(frames[np.argmin(np.abs(frames - centre))])


def _sheet(shots: Sequence[Shot], title: str, head: str, columns: int) -> Rgb:
    """The shots in a grid on dark neutral ground."""
    height, width = shots[0].image.shape[:2]
    columns = min(columns, len(shots))
    rows = -(-len(shots) // columns)
    wide, row = max(width, LEAST), height + 2 * LINE
    cell = wide + GAP
    full = max(SHEET_WIDTH, 2 * MARGIN + columns * cell - GAP)
    top = MARGIN + 2 * LINE + GAP
    sheet = Image.new("RGB", (full, top + rows * row + MARGIN - GAP), GROUND)
    draw = ImageDraw.Draw(sheet)
    large, small = ImageFont.load_default(20), ImageFont.load_default(13)
    draw.text((MARGIN, MARGIN), fitted(draw, latin(title), large, full - 2 * MARGIN), INK, large)
    draw.text((MARGIN, MARGIN + LINE + 2), head, FAINT, ImageFont.load_default(14))
    for number, shot in enumerate(shots):
        x, y = MARGIN + number % columns * cell, top + number // columns * row
        sheet.paste(Image.fromarray(shot.image), (x, y))
        draw.text((x + 1, y + height + 4), fitted(draw, shot.name, small, wide), INK, small)
        time = f"{time_label(shot.start)}   {duration_text(shot.seconds)}"
        draw.text((x + 1, y + height + 20), fitted(draw, time, small, wide), FAINT, small)
    return np.asarray(sheet, np.uint8)


def latin(text: str) -> str:
    """What the built-in font has letters for; the rest becomes a question mark, line breaks spaces."""
    return "".join(
        " " if char.isspace() else char if char.isprintable() and ord(char) < 0x250 else "?" for char in text
    )


def fitted(
    draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> str:
    """The text, cut with an ellipsis where it is wider than so many pixels."""
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(text + "...", font) > width:
        text = text[:-1]
    return text + "..."
