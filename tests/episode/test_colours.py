"""Colours from the clip's file to the segment's, whatever stands for them in either."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from sakuga.episode.conform import Conform
from sakuga.episode.footage import Footage, source_frames
from sakuga.episode.form import clip_colour
from sakuga.episode.render import render
from sakuga.episode.spec import EpisodeSpec
from sakuga.episode.timeline import lay_out
from sakuga.media.decode import FrameReader
from sakuga.media.encode import EncodeSettings
from sakuga.media.info import Colour, PixelLayout
from sakuga.media.picture import Picture
from sakuga.media.probe import probe
from sakuga.media.timing import progressive_track
from sakuga.media.tonemap import to_sdr
from sakuga.media.upright import upright
from sakuga.quality.colours import to_rgb
from sakuga.settings import Limits
from tests.assets import asset_files
from tests.clips import Rgb, make_clip
from tests.episode.footages import SETTINGS, footage_of, form_of, shown

SIZE = (96, 64)
FORM_RATE = Fraction(24)
STEPS = 3
"""Of 8 bits in red, green or blue: rounding of luma, and of chroma that counts up to 1.86 times."""
MEAN = 1.5
"""Mean error in steps of 8 bits: less than what a wrong matrix or range leaves."""
CODING = 1.5
"""Mean error that CRF 4 leaves, in steps of 8 bits."""
FINE = EncodeSettings(quality=4, preset="ultrafast")


def soft(number: int, width: int, height: int) -> Rgb:
    """Soft colours, so that chroma filters have nothing to blur."""
    y, x = np.mgrid[0:height, 0:width]
    wave = 2 * np.pi * (x / width + number / 24)
    channels = [np.sin(wave), np.sin(wave + 2 * np.pi * y / height), np.cos(2 * np.pi * y / height)]
    return np.stack([127.5 + 90 * channel for channel in channels], axis=-1).astype(np.uint8)


def tagged(matrix: int, primaries: int, transfer: int, span: int) -> Callable[[av.VideoStream], None]:
    def prepare(stream: av.VideoStream) -> None:
        context = stream.codec_context
        context.colorspace, context.color_primaries = matrix, primaries
        context.color_trc, context.color_range = transfer, span

    return prepare


KINDS: dict[str, dict[str, Any]] = {
    "601": {"prepare": tagged(6, 6, 6, 1)},
    "601 full": {"prepare": tagged(6, 6, 6, 2)},
    "709": {"prepare": tagged(1, 1, 1, 1)},
    "2020 in 10 bits": {"prepare": tagged(9, 9, 14, 1), "pix_fmt": "yuv420p10le"},
    "444": {"prepare": tagged(1, 1, 1, 1), "pix_fmt": "yuv444p"},
    "jpeg": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "rgb": {"codec": "ffv1", "pix_fmt": "bgr0"},
}


OTHER_CHROMA = ("444", "jpeg", "rgb")
"""Their chroma lies elsewhere than the form's, and single samples of it cannot stay."""


def stored(footage: Footage) -> Picture:
    probed = probe(footage.path, Limits())
    with FrameReader(footage.path, probed.info.video, probed.packets, limits=Limits()) as reader:
        return next(reader.read(2, 3))


def apart(one: Picture, colour: Colour, other: Picture, other_colour: Colour) -> NDArray[np.int64]:
    """How far two pictures are apart as they are seen."""
    return np.abs(to_rgb(one, colour).astype(np.int64) - to_rgb(other, other_colour).astype(np.int64))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("matrix", ["bt709", "smpte170m"])
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
def test_a_clip_is_seen_in_its_own_colours_in_any_form(
    tmp_path: Path, kind: str, matrix: str, full: bool
) -> None:
    footage = footage_of(make_clip(tmp_path / "a.mkv", frames=4, size=SIZE, draw=soft, **KINDS[kind]))
    colour = Colour(matrix=matrix, primaries=matrix, transfer=matrix, full_range=full)
    form = form_of(SIZE, colour=colour)
    (picture,) = shown(footage, form, 2, 3)
    error = apart(picture, colour, stored(footage), footage.info.video.colour)
    assert error.mean() <= MEAN
    if kind not in OTHER_CHROMA:
        assert error.max() <= STEPS


def test_the_file_of_a_segment_says_what_its_colours_are(tmp_path: Path) -> None:
    footage = footage_of(make_clip(tmp_path / "a.mkv", frames=4, size=SIZE, draw=soft, **KINDS["601 full"]))
    form = form_of(SIZE, settings=FINE)
    spec = EpisodeSpec(scenes=(footage.scene,))
    segment = lay_out(spec, [footage.info.video.duration], Fraction(24)).segments[0]
    output = tmp_path / "segment.mp4"
    render(segment, [footage], spec, form, output, SETTINGS)
    made = footage_of(output)
    assert clip_colour(made.info.video) == form.colour
    colours = made.info.video.colour, footage.info.video.colour
    assert apart(stored(made), colours[0], stored(footage), colours[1]).mean() <= CODING


@pytest.mark.slow
@pytest.mark.parametrize("path", asset_files("video"), ids=lambda path: path.name)
def test_real_clips_are_seen_in_their_own_colours(path: Path) -> None:
    footage = footage_of(path, fit="stretch")
    video = footage.info.video
    form = form_of(SIZE, FORM_RATE)
    (picture,) = shown(footage, form, 1, 2)
    probed = probe(path, Limits())
    (number,) = source_frames(progressive_track(video, probed.packets), footage.scene, FORM_RATE, 1, 2)
    with FrameReader(path, video, probed.packets, limits=Limits()) as reader:
        before = upright(next(reader.read(number, number + 1)), video)
    means = [
        to_rgb(*each).reshape(-1, 3).mean(axis=0)
        for each in ((picture, form.colour), (before, clip_colour(video)))
    ]
    assert np.abs(means[0] - means[1]).max() <= MEAN


@pytest.mark.parametrize(("transfer", "hdr"), [(16, "pq"), (18, "hlg")])
def test_a_clip_of_high_range_is_tone_mapped(tmp_path: Path, transfer: int, hdr: str) -> None:
    clip = make_clip(
        tmp_path / "a.mkv",
        frames=4,
        size=SIZE,
        draw=soft,
        pix_fmt="yuv420p10le",
        codec="libx265",
        options={"x265-params": "log-level=error"},
        prepare=tagged(9, 9, transfer, 1),
    )
    footage = footage_of(clip)
    video = footage.info.video
    assert video.hdr == hdr
    form = form_of(SIZE)
    wanted = Conform(video, "fit", form)(to_sdr(stored(footage), video.colour))
    (picture,) = shown(footage, form, 2, 3)
    assert picture.same_as(wanted)
    assert picture.layout == PixelLayout(chroma="420", depth=8)
