import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sakuga.errors import InputError, TrainingError
from training import prepare as preparing
from training.batches import batch
from training.drawings import drawing
from training.peers import peer
from training.prepare import TILE, Pairs, Prepared, prepare
from training.recipes import RECIPES, Recipe, find_recipe
from training.still import from_rgb, luma_codes, resized
from training.train import Machine, Training, check, rate
from training.watch import PATIENCE, LossWatch

TINY = Recipe(name="tiny", domain="drawn", features=4, layers=1, steps=40, batch=2, patch=16, pairs=8)
DRAWINGS = TINY.model_copy(update={"drawings": 1.0})
EXACT = Machine(threads=1, precision="fp32")


@pytest.fixture(scope="module")
def pairs() -> Prepared:
    truth = np.stack([luma_codes(from_rgb(drawing(number, 64)).luma) for number in range(6)])
    source = np.stack(
        [np.rint(resized(plane.astype(np.float32), 32, 32, "area")).astype(np.uint8) for plane in truth]
    )
    made = Pairs(truth, source, ("clean", "clean", "noise", "clean", "clean", "clean"))
    return Prepared(made, made)


def weights(training: Training) -> list[torch.Tensor]:
    return [value.clone() for value in training.network().state_dict().values()]


def test_training_learns(pairs: Prepared, tmp_path: Path) -> None:
    training = Training(pairs, TINY, tmp_path, EXACT)
    before = check(training.network(), pairs.checks)["clean"]
    after = check(training.run(), pairs.checks)["clean"]
    assert after > before + 0.3


def test_the_same_seed_gives_the_same_network(pairs: Prepared, tmp_path: Path) -> None:
    one, other = (Training(pairs, TINY, tmp_path / name, EXACT) for name in ("one", "other"))
    one.run()
    other.run()
    assert all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


def test_training_that_was_stopped_goes_on_as_if_it_had_not_been(
    pairs: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Training(pairs, TINY, tmp_path / "whole", EXACT)
    whole.run()
    monkeypatch.setattr("training.train.SAVE_SECONDS", 0.0)
    stopped = Training(pairs, TINY, tmp_path / "stopped", EXACT)
    real, taken = stopped._one, 0

    def one() -> torch.Tensor:
        nonlocal taken
        taken += 1
        if taken > 23:
            raise KeyboardInterrupt
        return real()

    monkeypatch.setattr(stopped, "_one", one)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    again = Training(pairs, TINY, tmp_path / "stopped", EXACT)
    assert again.step == 23
    again.run()
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(again), strict=True))


def test_a_run_that_diverges_is_stopped(
    pairs: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.train.CHECK_EVERY", 50)
    wild = TINY.model_copy(update={"rate": 0.99, "steps": 2000})
    with pytest.raises(TrainingError, match="lower rate"):
        Training(pairs, wild, tmp_path, EXACT).run()


def test_a_loss_that_is_no_number_is_noticed() -> None:
    with pytest.raises(TrainingError, match="no number"):
        LossWatch().take(float("nan"), 7)


def take_all(watch: LossWatch, losses: list[float]) -> None:
    for step, loss in enumerate(losses):
        watch.take(loss, step)


def test_a_loss_that_rises_far_is_noticed() -> None:
    watch = LossWatch()
    take_all(watch, [0.01] * PATIENCE * 2)
    with pytest.raises(TrainingError, match="risen"):
        take_all(watch, [0.1] * PATIENCE * 2)


def test_a_noisy_loss_is_not_taken_for_a_rising_one() -> None:
    watch, random = LossWatch(), np.random.default_rng(1)
    for step in range(5000):
        watch.take(0.01 * float(random.lognormal(0, 0.7)), step)
    assert 0.005 < watch.mean < 0.03


def test_what_is_logged_has_a_line_for_each_look(pairs: Prepared, tmp_path: Path) -> None:
    Training(pairs, TINY, tmp_path, EXACT).run()
    (line,) = (json.loads(text) for text in (tmp_path / "log.jsonl").read_text().splitlines())
    assert line["step"] == TINY.steps
    assert 5 < line["worn"] < 50
    assert 5 < line["clean"] < 50


def test_a_checkpoint_of_another_recipe_is_refused(pairs: Prepared, tmp_path: Path) -> None:
    Training(pairs, TINY, tmp_path, EXACT).run()
    with pytest.raises(InputError, match="another recipe"):
        Training(pairs, TINY.model_copy(update={"seed": 2}), tmp_path, EXACT)


def test_training_may_be_prolonged(pairs: Prepared, tmp_path: Path) -> None:
    Training(pairs, TINY, tmp_path, EXACT).run()
    more = Training(pairs, TINY.model_copy(update={"steps": 50}), tmp_path, EXACT)
    assert more.step == 40
    more.run()
    assert more.step == 50


def test_a_damaged_checkpoint_is_named(pairs: Prepared, tmp_path: Path) -> None:
    Training(pairs, TINY, tmp_path, EXACT).run()
    file = tmp_path / "checkpoint.pt"
    file.write_bytes(file.read_bytes()[:900])
    with pytest.raises(InputError, match=r"checkpoint\.pt"):
        Training(pairs, TINY, tmp_path, EXACT)


def test_nothing_is_left_beside_the_files(pairs: Prepared, tmp_path: Path) -> None:
    Training(pairs, TINY, tmp_path, EXACT).run()
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.pt", "log.jsonl"}


def test_patches_of_source_and_truth_show_the_same_place(pairs: Prepared) -> None:
    source, truth = batch(pairs.training, TINY, 3)
    assert source.shape == (2, 1, 16, 16)
    assert truth.shape == (2, 1, 32, 32)
    small = torch.nn.functional.avg_pool2d(truth, 2)
    # one code of rounding in the truth, one in the source
    assert float((small - source).abs().max()) < 2 / 219


def test_steps_have_patches_of_their_own_that_never_change(pairs: Prepared) -> None:
    assert torch.equal(batch(pairs.training, TINY, 3)[0], batch(pairs.training, TINY, 3)[0])
    assert not torch.equal(batch(pairs.training, TINY, 3)[0], batch(pairs.training, TINY, 4)[0])


def test_training_with_worn_pairs_alone_is_checked_by_those(
    pairs: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # one check, as a network that has just begun is no better than interpolation
    monkeypatch.setattr("training.train.CHECK_EVERY", TINY.steps)
    worn = replace(pairs.checks, kinds=("noise",) * len(pairs.checks.kinds))
    said: list[str] = []
    Training(Prepared(pairs.training, worn), TINY, tmp_path, EXACT, said.append).run()
    assert "worn" in said[-1]
    assert "clean" not in said[-1]


def test_the_rate_rises_holds_and_falls() -> None:
    recipe = TINY.model_copy(update={"steps": 10_000, "hold": 0.5})
    rates = [rate(recipe, step) for step in (0, 100, 3000, 5000, 7500, 9999)]
    assert rates[0] < rates[1] < rates[2] == rates[3] == recipe.rate
    assert rates[4] == pytest.approx(recipe.rate / 2, rel=0.01)
    assert 0 < rates[5] < 0.01 * recipe.rate


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "CHECKED", 2)


@pytest.mark.usefixtures("few")
def test_pairs_are_made_once_and_always_the_same(tmp_path: Path) -> None:
    recipe = DRAWINGS
    first = prepare(None, recipe, tmp_path / "a")
    said: list[str] = []
    again = prepare(None, recipe, tmp_path / "a", said.append)
    other = prepare(None, recipe, tmp_path / "b")
    assert said == []
    for one in (again, other):
        assert np.array_equal(one.training.truth, first.training.truth)
        differs = (one.training.source != first.training.source).any(axis=(1, 2))
        assert [kind for kind, other in zip(first.training.kinds, differs, strict=True) if other] == []
    assert len(list((tmp_path / "a").iterdir())) == 1


@pytest.mark.usefixtures("few")
def test_what_a_teacher_makes_of_a_source_is_learned_in_place_of_the_truth(tmp_path: Path) -> None:
    taught = DRAWINGS.model_copy(update={"teacher": "acnet-hdn0"})
    known, learned = prepare(None, DRAWINGS, tmp_path).training, prepare(None, taught, tmp_path).training
    assert np.array_equal(known.source, learned.source)
    teacher = peer("acnet-hdn0")
    # luma does not depend on chroma
    grey = np.full((TILE // 4, TILE // 4), 128, np.uint8)
    for number in range(2):
        alone = teacher((np.array(known.source[number]), grey, grey))
        assert np.array_equal(luma_codes(alone), learned.truth[number])
        assert not np.array_equal(known.truth[number], learned.truth[number])


@pytest.mark.usefixtures("few")
def test_photographs_of_the_code_are_made_where_a_recipe_has_them(tmp_path: Path) -> None:
    some = DRAWINGS.model_copy(update={"leaves": 1.0})
    drawn, made = prepare(None, DRAWINGS, tmp_path).training, prepare(None, some, tmp_path).training
    assert not np.array_equal(drawn.truth, made.truth)


def test_pairs_without_pictures_must_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name a folder"):
        prepare(None, TINY, tmp_path)


def test_every_recipe_is_found_by_its_name() -> None:
    assert [find_recipe(recipe.name) for recipe in RECIPES] == list(RECIPES)
    with pytest.raises(InputError, match="drawn-m"):
        find_recipe("nothing")


def test_a_recipe_keeps_to_its_bounds() -> None:
    bad: dict[str, Any] = {"steps": 0}
    with pytest.raises(ValueError, match="steps"):
        Recipe.model_validate({**TINY.model_dump(), **bad})
