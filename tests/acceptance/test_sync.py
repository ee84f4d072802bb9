from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.acceptance.jobs import FAST, result_of, sakuga, sound
from tests.clips import Rgb, decoded_lumas, decoded_times, make_clip

SECONDS = 12
RATE = Fraction(24)
FLASH_FRAMES = 3
LOUD = 0.1
"""The beep has an amplitude of 0.5 and between beeps there is silence."""


def flashing(number: int, width: int, height: int) -> Rgb:
    """White for an eighth of a second at the start of every second, else dark."""
    level = 235 if number % int(RATE) < FLASH_FRAMES else 40
    return np.full((height, width, 3), level, np.uint8)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sync") / "sync.mp4"
    return make_clip(path, frames=SECONDS * int(RATE), rate=RATE, draw=flashing, audio_seconds=SECONDS)


def flashes(path: Path) -> list[float]:
    """When the picture turns white, in seconds."""
    bright = [bool(luma.mean() > 128) for luma in decoded_lumas(path)]
    times = decoded_times(path)
    return [
        float(time)
        for time, now, before in zip(times, bright, [False, *bright], strict=False)
        if now and not before
    ]


def beeps(path: Path) -> list[float]:
    """When the sound becomes loud after a quarter of a second of silence, in seconds."""
    samples, begin, rate = sound(path)
    loud = np.flatnonzero(np.abs(samples) > LOUD)
    first = loud[np.diff(loud, prepend=-rate) > rate / 4]
    return [begin + float(place) / rate for place in first]


@pytest.mark.slow
@pytest.mark.parametrize("rate", [None, "24", "30000/1001", "60"])
def test_flash_and_beep_stay_within_a_frame_of_each_other(
    clip: Path, tmp_path: Path, home: Path, rate: str | None
) -> None:
    asked = ("--fps", rate) if rate else ()
    done = sakuga("enhance", clip, "-o", tmp_path, *FAST, "--chunk-seconds", "5", *asked, home=home)
    assert done.code == 0, done.said
    result = result_of(clip, tmp_path)
    seen, heard = flashes(result), beeps(result)
    assert len(seen) == len(heard) == SECONDS
    frame = 1 / float(Fraction(rate) if rate else RATE)
    assert max(abs(flash - beep) for flash, beep in zip(seen, heard, strict=True)) < frame
