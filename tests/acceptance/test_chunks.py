from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from sakuga.enhance.spec import EnhanceSpec
from tests.acceptance.jobs import make_chunks
from tests.clips import make_clip, numbered

SECONDS = 8
WHOLE = 3600.0
HELD = 2


def on_twos(number: int, width: int, height: int) -> Any:  # noqa: ANN401
    return numbered(number // HELD * HELD, width, height)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return make_clip(path, frames=SECONDS * 24, draw=on_twos, options={"g": "20"})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "interpolation"),
    [
        pytest.param(None, "flow", id="no rate change"),
        pytest.param(Fraction(60), "nearest", id="60 nearest"),
        pytest.param(Fraction(60), "blend", id="60 blend"),
        pytest.param(Fraction(60000, 1001), "flow", id="59.94 flow"),
        pytest.param(Fraction(15), "flow", id="15 flow"),
    ],
)
def test_chunks_of_any_length_hold_the_frames_of_one_piece(
    clip: Path, tmp_path: Path, rate: Fraction | None, interpolation: str
) -> None:
    def spec(seconds: float) -> EnhanceSpec:
        return EnhanceSpec.model_validate(
            {
                "model": "drawn-s",
                "fps": rate,
                "interpolation": interpolation,
                "quality": 0,
                "preset": "ultrafast",
                "chunk_seconds": seconds,
            }
        )

    whole = make_chunks(clip, tmp_path / "whole", spec(WHOLE))
    assert len(whole.chunks) == 1
    expected = whole.samples()
    assert len(expected) == len(whole.plan.times)
    for seconds in (1, 2, 7):
        cut = make_chunks(clip, tmp_path / str(seconds), spec(seconds))
        assert len(cut.chunks) > 1 or seconds == 7
        assert cut.plan.times == whole.plan.times
        assert cut.samples() == expected


@pytest.mark.slow
def test_reuse_of_equal_frames_changes_no_sample(clip: Path, tmp_path: Path) -> None:
    def spec(reuse: str) -> EnhanceSpec:
        return EnhanceSpec.model_validate(
            {"model": "drawn-s", "reuse": reuse, "quality": 0, "preset": "ultrafast"}
        )

    with_reuse = make_chunks(clip, tmp_path / "exact", spec("exact"))
    without = make_chunks(clip, tmp_path / "off", spec("off"))
    assert with_reuse.samples() == without.samples()
