"""Drawn or filmed, small or large: what is taken where no model was named."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sakuga.enhance.automatic import Choice, choose_model
from sakuga.media.film import Film
from sakuga.media.info import PixelLayout
from sakuga.media.kernels import Floats
from sakuga.media.packets import PacketIndex
from sakuga.media.picture import Picture, Plane
from sakuga.models.engines import calibration
from tests.assets import ASSETS
from tests.media.pictures import LIMITED, MemoryReader, stream
from tests.models.speeds import FAST, SLOW, give_speed
from training.drawings import drawing
from training.still import Rgb

SIZE = 320
FRAMES = 5
RATE = Fraction(24)

pytestmark = pytest.mark.usefixtures("sakuga_home")


def drawn(seed: int) -> Floats:
    """A drawing of the code."""
    return luma(drawing(9_000_001 + 2 * seed, SIZE))


def filmed(seed: int) -> Floats:
    """A picture with the spectrum of photographs, whose amplitude falls as 1/f (D. Field, 1987)."""
    random = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(random.normal(size=(SIZE, SIZE)))
    frequency = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None])
    frequency[0, 0] = 1
    plane = np.fft.irfft2(spectrum / frequency ** (0.8 + seed % 4 / 5))
    return np.asarray(0.5 + 0.18 * (plane - plane.mean()) / plane.std(), np.float32)


def luma(rgb: Rgb) -> Floats:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.float32) * np.float32(1 / 255)


def picture(plane: Floats, depth: int = 8) -> Picture:
    unit = 4 if depth == 10 else 1
    levels = np.rint((16 + 219 * np.clip(plane, 0, 1)) * unit)
    code: Plane = levels.astype(np.uint8) if unit == 1 else levels.astype(np.uint16)
    grey = np.full_like(code[::2, ::2], 128 * unit)
    return Picture((code, grey, grey), PixelLayout(chroma="420", depth=10 if depth == 10 else 8))


def choice(
    pictures: list[Picture], *, alone: bool = True, film: Film | None = None, scale: int = 2
) -> Choice:
    count = len(pictures)
    packets = PacketIndex(pts=np.arange(count), keyframe=np.arange(count) == 0, time_base=1 / RATE, end=count)
    video = stream(pictures[0], count, RATE, colour=LIMITED)
    film = film or Film(kind="frames", count=count)
    size = scale * pictures[0].width, scale * pictures[0].height
    return choose_model(MemoryReader(pictures), packets, video, film, size, alone=alone)


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("make", [drawn, filmed])
def test_drawings_and_pictures_with_the_texture_of_photographs_are_told_apart(
    make: Callable[[int], Floats], depth: int
) -> None:
    for seed in range(8):
        found = choice([picture(make(seed), depth)] * FRAMES, alone=False)
        assert found.model == f"{make.__name__}-m", found.reason
        assert f"taken for {make.__name__}" in found.reason


def test_lines_of_two_moments_do_not_hide_what_is_drawn() -> None:
    moved = drawn(4).copy()
    moved[1::2] = np.roll(moved, 6, axis=1)[1::2]
    bob = Film(kind="bob", count=2 * FRAMES)
    assert choice([picture(moved)] * FRAMES, alone=False, film=bob).model == "drawn-m"


@pytest.mark.parametrize("size", [(64, 64), (8, 8), (320, 320)])
def test_a_video_that_shows_nothing_gets_the_network_that_invents_least(
    size: tuple[int, int],
) -> None:
    found = choice([picture(np.full(size, 0.3, np.float32))] * FRAMES, alone=False)
    assert found.model == "filmed-m"
    assert "too little to tell" in found.reason


@pytest.mark.parametrize(("speed", "size"), [(FAST, "m"), (SLOW, "s")])
def test_the_largest_network_is_taken_that_keeps_up_with_the_video(speed: float, size: str) -> None:
    give_speed("drawn-m", speed)
    give_speed("drawn-s", speed)
    found = choice([picture(drawn(1))] * FRAMES)
    assert found.model == f"drawn-{size}"
    assert "s for each second of the video" in found.reason


def test_four_times_the_size_is_more_work() -> None:
    enough = 2.5 * RATE * SIZE**2
    give_speed("drawn-m", float(enough))
    give_speed("drawn-s", FAST)
    assert choice([picture(drawn(1))] * FRAMES).model == "drawn-m"
    assert choice([picture(drawn(1))] * FRAMES, scale=4).model == "drawn-s"


def test_a_machine_is_measured_once() -> None:
    first = choice([picture(drawn(1))] * FRAMES)
    measured = calibration.path().read_bytes()
    assert choice([picture(drawn(1))] * FRAMES) == first
    assert calibration.path().read_bytes() == measured


def test_many_machines_are_not_measured() -> None:
    assert choice([picture(drawn(1))] * FRAMES, alone=False).model == "drawn-m"
    assert not calibration.path().exists()


@pytest.mark.parametrize(
    "path",
    [*sorted((ASSETS / "images" / "anime").glob("*P0*.png"))]
    + [ASSETS / "images" / "photo" / f"{name}.png" for name in ("astronaut", "chelsea", "OST_009")],
    ids=lambda path: path.name,
)
def test_a_real_picture_is_taken_for_what_it_is(path: Path) -> None:
    if not path.exists():
        pytest.skip("the pictures are not here")
    with Image.open(path) as image:
        rgb = np.asarray(image.convert("RGB"))
    height, width = (side // 2 * 2 for side in rgb.shape[:2])
    found = choice([picture(luma(rgb[:height, :width]))] * FRAMES, alone=False)
    assert found.model == ("drawn-m" if path.parent.name == "anime" else "filmed-m"), found.reason
