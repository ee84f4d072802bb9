import json
import sys
from pathlib import Path

import numpy as np
import pytest

from sakuga.settings import Limits
from tests.training.folders import write_pictures
from training import pipeline
from training import prepare as preparing
from training.__main__ import main
from training.card import Card, read_weights
from training.evaluate import CONDITIONS
from training.pipeline import Job, make
from training.recipes import Recipe, find_recipe
from training.train import Machine

TINY = Recipe(name="tiny", domain="drawn", features=4, layers=1, steps=20, batch=2, patch=16, pairs=8)
EXACT = Machine(threads=1, precision="fp32")
AREA = {"area": CONDITIONS["area"]}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "CHECKED", 2)
    monkeypatch.setattr(pipeline, "DRAWN", 2)


def test_a_folder_becomes_a_finished_model(tmp_path: Path) -> None:
    write_pictures(tmp_path / "data", 12)
    job = Job(TINY, tmp_path / "data", tmp_path / "out", EXACT, ("A. Painter",), ("lanczos",), AREA)
    results = make(job, Limits())
    assert [result.model for result in results] == ["lanczos", "tiny"]
    card = Card.model_validate(json.loads((tmp_path / "out" / "tiny.json").read_text()))
    assert card.credits == ("A. Painter",)
    assert card.trained_on
    assert card.held_out
    assert set(card.trained_on).isdisjoint(card.held_out)
    assert next(read_weights(tmp_path / "out" / card.file).parameters()).shape[0] == 4
    assert "| area |" in (tmp_path / "out" / "tiny.md").read_text()
    assert (tmp_path / "out" / "tiny.svg").read_text().startswith("<svg")


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    recipe = TINY.model_copy(update={"drawings": 1.0})
    job = Job(recipe, None, tmp_path, EXACT, (), ("lanczos",), AREA)
    first = make(job, Limits())
    weights = (tmp_path / "tiny.safetensors").read_bytes()
    said: list[str] = []
    assert make(job, Limits(), said.append) == first
    assert (tmp_path / "tiny.safetensors").read_bytes() == weights
    assert "goes on from step 20" in said


def test_a_bad_folder_is_told_in_one_sentence_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    out = tmp_path / "out"
    monkeypatch.setattr(
        sys, "argv", ["training", "make", "drawn-s", "--data", str(tmp_path / "data"), "--out", str(out)]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "holds no pictures" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(("option", "value"), [("--steps", "5"), ("--batch", "0"), ("--clean", "2")])
def test_an_option_out_of_bounds_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["training", "make", "drawn-s", option, value])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"{option} {float(value):g}: ")
    assert said.count("\n") == 1


def test_an_unknown_recipe_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["training", "make", "drawn-xxl"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "drawn-m" in capsys.readouterr().err


@pytest.mark.slow
def test_a_minute_of_training_beats_lanczos_on_drawings_that_were_kept_out(tmp_path: Path) -> None:
    recipe = find_recipe("drawn-s").model_copy(update={"pairs": 48, "steps": 1200, "drawings": 1.0})
    results = make(Job(recipe, None, tmp_path, Machine(threads=1), (), ("lanczos",), AREA), Limits())
    lanczos, own = (result.measures for result in results)
    assert own.psnr > lanczos.psnr + 0.5
    assert own.ssim > lanczos.ssim
    assert np.isfinite(own.sharpness)
