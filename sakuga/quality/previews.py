"""Pictures of a result for people: a poster, a contact sheet, and one frame before and after."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sakuga.enhance.colours import film_colour
from sakuga.enhance.plan import Plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.decode import FrameReader
from sakuga.media.encode import beside, writing
from sakuga.media.film import film_pictures
from sakuga.media.info import MediaInfo
from sakuga.media.packets import PacketIndex
from sakuga.media.picture import Picture
from sakuga.media.probe import Probed, probe
from sakuga.quality.colours import Rgb, to_rgb
from sakuga.quality.drawing import Shot, before_after, contact_sheet
from sakuga.quality.measure import Levels, thumbnail
from sakuga.quality.sample import RESULT_LIMITS
from sakuga.settings import Limits

SHOTS = 16
"""Frames of the contact sheet; the poster is chosen among them."""

SHOT_WIDTH = 360
SHOT_HEIGHT = 240
MIXED = 0.7
"""How much less a frame that mixes two film frames is worth: none of the source stands beside it exactly."""

JPEG_QUALITY = 92


@dataclass(frozen=True)
class Previews:
    """Where the pictures are: JPEG, PNG and PNG."""

    poster: Path
    contact_sheet: Path
    before_after: Path


def make_previews(
    source: Path,
    result: Path,
    info: MediaInfo,
    packets: PacketIndex,
    plan: Plan,
    spec: EnhanceSpec,
    folder: Path,
    limits: Limits,
) -> Previews:
    """Make the three pictures of a finished job in `folder`, which must be there.

    Only a few frames are decoded, most of them keyframes. The same job gives the same pictures.

    Args:
        source: the source.
        result: the finished file.
        info: what the source holds.
        packets: the source's frames.
        plan: the job's plan.
        spec: what was asked.
        folder: where to write `poster.jpg`, `contact_sheet.png` and `before_after.png`.
        limits: limits for the source.

    Raises:
        DamagedMediaError: a frame does not decode.
        DiskFullError: there is no room.
        EncodeError: the pictures cannot be written.
    """
    made = probe(result, RESULT_LIMITS)
    with ExitStack() as stack:
        film = stack.enter_context(
            FrameReader(source, info.video, packets, limits=limits, salvage=spec.salvage)
        )
        own = stack.enter_context(FrameReader(result, made.info.video, made.packets, limits=RESULT_LIMITS))
        shots, best, picture = _shots(own, made, plan)
        tonemap = spec.tonemap and info.video.hdr is not None
        shown = plan.left[best]
        before = next(film_pictures(film, plan.film, shown, shown + 1, info.video, tonemap=tonemap))
    poster = to_rgb(picture, made.info.video.colour)
    size = made.info.video.width, made.info.video.height
    pair = before_after(to_rgb(before, film_colour(info.video, spec)), poster)
    return Previews(
        poster=save_picture(poster, folder / "poster.jpg"),
        contact_sheet=save_picture(contact_sheet(shots, size, made.info), folder / "contact_sheet.png"),
        before_after=save_picture(pair, folder / "before_after.png"),
    )


def _shots(reader: FrameReader, made: Probed, plan: Plan) -> tuple[list[Shot], int, Picture]:
    """Small pictures spread over the result, and the frame that stands for it best with its number."""
    video = made.info.video
    scale = min(1.0, SHOT_WIDTH / video.width, SHOT_HEIGHT / video.height)
    size = max(2, round(video.width * scale)), max(2, round(video.height * scale))
    shots: list[Shot] = []
    best: tuple[float, int, Picture] | None = None
    for frame in spread(plan, made.packets):
        picture = next(reader.read(frame, frame + 1))
        shots.append(Shot(plan.time(frame), to_rgb(picture, video.colour, size)))
        score = contrast(thumbnail(picture, video.colour.full_range)) * (MIXED if plan.weight[frame] else 1)
        if best is None or score > best[0]:
            best = score, frame, picture
    assert best is not None  # a plan has at least one frame
    return shots, best[1], best[2]


def spread(plan: Plan, made: PacketIndex) -> list[int]:
    """Up to `SHOTS` output frames in the middle of equal parts of the result.

    Where there is one in the part, a keyframe or else a frame that shows one film frame is taken: the first
    is quick to decode, and a mix has no frame of the source to stand beside.
    """
    frames = min(len(plan.times), len(made))
    count = min(SHOTS, frames)
    chosen = []
    for number in range(count):
        first, end = frames * number // count, frames * (number + 1) // count
        middle = (first + end) // 2
        near = sorted(range(first, end), key=lambda frame: abs(frame - middle))
        whole = [frame for frame in near if plan.weight[frame] == 0] or near
        chosen.append(next((frame for frame in whole if made.keyframe[frame]), whole[0]))
    return chosen


def contrast(small: Levels) -> float:
    """How much there is to see in a thumbnail: its spread, less where it is mostly black or white."""
    extreme = float(np.mean((small < 24) | (small > 228)))
    return float(np.std(small)) * (1 - extreme)


def save_picture(image: Rgb, path: Path) -> Path:
    """Write a picture, JPEG or PNG by its name, once it is whole; returns the path.

    Raises:
        DiskFullError: there is no room.
        EncodeError: it cannot be written.
    """
    part = beside(path)
    kind = "JPEG" if path.suffix == ".jpg" else "PNG"
    try:
        with writing(f"the preview {path.name}", path.parent):
            Image.fromarray(image).save(part, kind, quality=JPEG_QUALITY, subsampling=0)
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path
