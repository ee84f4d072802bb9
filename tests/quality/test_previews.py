"""Previews and exported frames show what is in the result, in its colours."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from sakuga.errors import OptionError
from sakuga.media.info import Colour, PixelLayout
from sakuga.media.picture import Picture
from sakuga.quality.colours import to_rgb
from sakuga.quality.drawing import detail, time_label
from sakuga.quality.export import export_frames
from sakuga.quality.previews import make_previews
from sakuga.settings import Limits
from tests.clips import Rgb, make_clip, numbered, read_number
from tests.quality.jobs import Job, enlarged, job_for, result_of

FRAMES = 24
CODING = 3.0
"""Mean absolute difference in levels of 255 that 8-bit 4:2:0 and a CRF of 12 leave on these drawings."""


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    path = tmp_path_factory.mktemp("source") / "source.mp4"
    return job_for(make_clip(path, frames=FRAMES, draw=fade_in, options={"crf": "12"}))


@pytest.fixture(scope="module")
def result(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return result_of(job, tmp_path_factory.mktemp("result") / "result.mp4", enlarged(fade_in))


def fade_in(number: int, width: int, height: int) -> Rgb:
    """Black for a third of the clip, then the numbered drawings."""
    return numbered(number, width, height) * np.uint8(number >= FRAMES // 3)


def test_the_poster_is_a_frame_of_the_result_that_is_not_black(
    job: Job, result: Path, tmp_path: Path
) -> None:
    previews = make_previews(
        job.source, result, job.info, job.packets, job.plan, job.spec, tmp_path, Limits()
    )
    poster = np.asarray(Image.open(previews.poster))
    assert poster.shape == (128, 192, 3)
    number = read_number(poster[..., 1])
    assert FRAMES // 3 <= number < FRAMES
    assert np.abs(poster.astype(int) - enlarged(fade_in)(number, 192, 128)).mean() < CODING


def test_the_contact_sheet_shows_frames_from_the_whole_result(job: Job, result: Path, tmp_path: Path) -> None:
    previews = make_previews(
        job.source, result, job.info, job.packets, job.plan, job.spec, tmp_path, Limits()
    )
    sheet = np.asarray(Image.open(previews.contact_sheet))
    assert sheet.shape[1] >= 4 * 192
    assert sheet.shape[0] >= 4 * 128
    assert tuple(sheet[0, 0]) == tuple(sheet[-1, -1]) == (24, 24, 26)


def test_before_and_after_show_the_same_detail_of_the_same_frame(
    job: Job, result: Path, tmp_path: Path
) -> None:
    previews = make_previews(
        job.source, result, job.info, job.packets, job.plan, job.spec, tmp_path, Limits()
    )
    pair = np.asarray(Image.open(previews.before_after)).astype(int)
    half = (pair.shape[1] - 4) // 2
    before, after = pair[60:, :half], pair[60:, half + 4 :]
    assert 0 < np.abs(before - after).mean() < 2 * CODING


def test_nothing_but_the_three_pictures_is_left(job: Job, result: Path, tmp_path: Path) -> None:
    make_previews(job.source, result, job.info, job.packets, job.plan, job.spec, tmp_path, Limits())
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "before_after.png",
        "contact_sheet.png",
        "poster.jpg",
    ]


def test_the_detail_is_where_the_structure_is() -> None:
    image = np.full((100, 200, 3), 90, np.uint8)
    image[60:90:2, 140:180] = 200
    left, top = detail(image, (60, 50))
    assert left <= 140 <= 180 <= left + 60
    assert top <= 60 <= 90 <= top + 50


def test_a_picture_smaller_than_the_pane_is_taken_whole() -> None:
    assert detail(np.zeros((40, 60, 3), np.uint8), (60, 40)) == (0, 0)


@pytest.mark.parametrize(
    ("seconds", "label"),
    [
        (Fraction(0), "0:00.00"),
        (Fraction(1001, 24000) * 175, "0:07.29"),
        (Fraction(3727290, 1000), "1:02:07.29"),
    ],
)
def test_times_are_labelled_to_the_hundredth(seconds: Fraction, label: str) -> None:
    assert time_label(seconds) == label


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "bt2020nc"])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("depth", [8, 10])
def test_colours_agree_with_the_formula_of_their_matrix(matrix: str, full_range: bool, depth: int) -> None:
    red, blue = {"bt709": (0.2126, 0.0722), "smpte170m": (0.299, 0.114), "bt2020nc": (0.2627, 0.0593)}[matrix]
    wanted = np.array([200, 120, 40]) / 255
    y = wanted @ [red, 1 - red - blue, blue]
    u, v = (wanted[2] - y) / (2 - 2 * blue), (wanted[0] - y) / (2 - 2 * red)
    scale = 1 << (depth - 8)
    low, span, chroma = (0, 256 * scale - 1, 256 * scale - 1) if full_range else (16, 219, 224)
    unit = 1 if full_range else scale
    codes = ((low + y * span) * unit, 128 * scale + u * chroma * unit, 128 * scale + v * chroma * unit)
    kind = np.uint8 if depth == 8 else np.uint16
    shapes = ((16, 16), (8, 8), (8, 8))
    planes = tuple(np.full(shape, round(code), kind) for shape, code in zip(shapes, codes, strict=True))
    layout = PixelLayout(chroma="420", depth=8 if depth == 8 else 10)
    colour = Colour(matrix=matrix, primaries="bt709", transfer="bt709", full_range=full_range)
    rgb = to_rgb(Picture(planes, layout), colour)
    # half a code of each of Y, U and V is worth up to 1.6 levels of blue
    assert np.abs(rgb[8, 8].astype(int) - [200, 120, 40]).max() <= 2


def test_16_bits_keep_what_8_would_lose() -> None:
    ramp = np.arange(64, 940, dtype=np.uint16)[None].repeat(4, 0)
    picture = Picture((np.ascontiguousarray(ramp),), PixelLayout(chroma="gray", depth=10))
    colour = Colour(matrix="bt709", primaries="bt709", transfer="bt709", full_range=False)
    assert len(np.unique(to_rgb(picture, colour, bits=16))) == 876


def test_exported_frames_are_numbered_from_one_and_hold_their_frame(result: Path, tmp_path: Path) -> None:
    assert export_frames(result, tmp_path / "frames", Limits()) == FRAMES
    names = sorted(p.name for p in (tmp_path / "frames").iterdir())
    assert names == [f"frame_{n:06d}.png" for n in range(1, FRAMES + 1)]
    image = cv2.imread(str(tmp_path / "frames" / "frame_000021.png"), cv2.IMREAD_UNCHANGED)
    assert image is not None
    assert read_number(image[..., 1].astype(np.uint8)) == 20
    assert np.abs(image[..., ::-1].astype(int) - enlarged(fade_in)(20, 192, 128)).mean() < CODING


def test_10_bit_frames_become_16_bit_pictures(tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "ten.mkv",
        frames=2,
        codec="libx265",
        pix_fmt="yuv420p10le",
        options={"x265-params": "log-level=none"},
    )
    export_frames(clip, tmp_path / "frames", Limits())
    image = cv2.imread(str(tmp_path / "frames" / "frame_000001.png"), cv2.IMREAD_UNCHANGED)
    assert image is not None
    assert image.dtype == np.uint16


def test_exporting_again_replaces_the_frames(result: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "frame_000099.png").write_bytes(b"old")
    export_frames(result, folder, Limits())
    assert len(list(folder.iterdir())) == FRAMES
    assert [p.name for p in tmp_path.iterdir()] == ["frames"]


def test_a_folder_with_other_things_is_not_touched(result: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(OptionError, match="other things"):
        export_frames(result, tmp_path, Limits())
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]


def test_an_export_that_is_stopped_leaves_nothing(result: Path, tmp_path: Path) -> None:
    def stop(number: int) -> None:
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_frames(result, tmp_path / "frames", Limits(), stop)
    assert list(tmp_path.iterdir()) == []


def test_a_result_of_one_frame_has_previews(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "one.mp4", frames=1)
    job = job_for(source)
    result = result_of(job, tmp_path / "r.mp4", enlarged(numbered))
    (tmp_path / "previews").mkdir()
    previews = make_previews(
        source, result, job.info, job.packets, job.plan, job.spec, tmp_path / "previews", Limits()
    )
    with av.open(str(previews.poster)) as container:
        assert container.streams.video[0].width == 192
