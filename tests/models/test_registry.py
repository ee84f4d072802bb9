"""What is refused when a model is chosen, before a job begins."""

import os
from pathlib import Path

import pytest

from sakuga.errors import OptionError, WeightsError
from sakuga.models.base import ModelChoice
from sakuga.models.registry import check_checkpoint, check_model


def _refused(name: str, *words: str, denoise: float | None = None) -> None:
    with pytest.raises((OptionError, WeightsError)) as caught:
        check_model(ModelChoice(name=name, denoise=denoise))
    missing = [word for word in words if word not in str(caught.value)]
    assert missing == [], caught.value


def test_a_name_that_is_nearly_a_models_is_refused_with_that_model() -> None:
    _refused("RealESR-AnimeVideo", "is realesr-animevideov3 meant?", "acnet-hdn0", ".safetensors")
    with pytest.raises(OptionError) as caught:
        check_model(ModelChoice(name="nonsense"))
    assert "meant" not in str(caught.value)


def test_rife_is_no_upscaler_and_it_is_said_what_it_is_for() -> None:
    _refused("rife-4.25", "does not upscale", "interpolation")


def test_a_strength_for_a_model_without_one_is_refused_with_the_model_that_has_it(tmp_path: Path) -> None:
    for name in ("acnet-hdn0", "realesr-animevideov3", str(tmp_path / "own.pth")):
        _refused(name, name, "no denoise strength", "realesr-general-x4v3", denoise=0.5)


def test_a_file_of_another_kind_and_a_folder_are_no_checkpoints(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not weights")
    _refused(str(text), "notes.txt", "no checkpoint", ".safetensors")
    (tmp_path / "folder.pth").mkdir()
    _refused(str(tmp_path / "folder.pth"), "folder.pth", "not a file")
    _refused(str(tmp_path / "absent.pth"), "absent.pth", "No such file")


def test_a_checkpoint_is_read_again_when_its_content_has_changed(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from tests.models.states import saved, small

    path = saved(small(), tmp_path / "own.pth")
    choice = ModelChoice(name=str(path))
    check_checkpoint(choice)
    path.write_bytes(path.read_bytes()[:-100])
    os.utime(path, ns=(1, 1))
    with pytest.raises(WeightsError, match=r"own\.pth"):
        check_checkpoint(choice)
