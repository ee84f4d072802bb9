"""Our own networks as they are shipped."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sakuga
from sakuga.errors import OptionError, WeightsError
from sakuga.models.base import AUTO, ModelChoice
from sakuga.models.own import FOLDER, own_cards, own_digest, own_network
from sakuga.models.registry import load_upscaler, model_digest, possible_digests
from sakuga.models.tensorfile import read_tensors

MOST_BYTES = 2_000_000
"""Of all weights together."""

NAMES = [card.name for card in own_cards()]


def test_there_are_networks_for_drawn_and_for_filmed_video_in_the_sizes_that_are_chosen_from() -> None:
    assert {"drawn-s", "drawn-m", "filmed-s", "filmed-m"} <= set(NAMES)


def test_all_weights_together_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MOST_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_the_weights_are(name: str) -> None:
    card = json.loads((FOLDER / f"{name}.json").read_text())
    tensors = read_tensors((FOLDER / card["file"]).read_bytes(), FOLDER / card["file"])
    first, last = tensors["convolutions.0.weight"], tensors[f"convolutions.{len(tensors) // 2 - 1}.weight"]
    assert (card["name"], card["domain"]) == (name, name.partition("-")[0])
    assert first.shape == (card["features"], 1, 3, 3)
    assert last.shape == (card["scale"] ** 2, card["features"], 3, 3)
    assert len(tensors) // 2 == card["layers"] + 2 == card["radius"]
    assert sum(tensor.size for tensor in tensors.values()) == card["weights"]
    assert card["credits"]
    assert card["trained_on"]
    assert not card["trained_on"].keys() & card["held_out"].keys()


@pytest.mark.parametrize("name", NAMES)
def test_bf16_is_as_good_as_fp32_to_the_eye(name: str) -> None:
    random = np.random.default_rng(1)
    luma = np.clip(0.5 + np.cumsum(random.normal(0, 0.05, (48, 64)), axis=1), 0, 1).astype(np.float32)
    half, single = (own_network(name, precision).enlarge(luma) for precision in ("bf16", "fp32"))
    assert -10 * np.log10(np.square(half - single).mean()) > 45


def test_a_choice_has_to_be_made_before_a_model_is_loaded() -> None:
    with pytest.raises(Exception, match="No model has been chosen"):
        load_upscaler(ModelChoice(name=AUTO))


def test_auto_stands_for_every_network_of_ours_and_for_no_other() -> None:
    assert possible_digests(ModelChoice(name=AUTO)) == {own_digest(name) for name in NAMES}
    assert possible_digests(ModelChoice(name="lanczos")) == {model_digest(ModelChoice(name="lanczos"))}


@pytest.mark.parametrize("name", [AUTO, *NAMES])
@pytest.mark.parametrize(
    "options",
    [{"device": "cuda:0"}, {"backend": "torch"}, {"denoise": 0.5}, {"precision": "fp16"}],
    ids=lambda options: next(iter(options)),
)
def test_what_our_networks_do_not_have_is_refused(name: str, options: dict[str, str]) -> None:
    with pytest.raises(OptionError):
        model_digest(ModelChoice.model_validate({"name": name, **options}))


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
@pytest.mark.parametrize("harm", ["changed", "cut", "gone"])
def test_damaged_weights_are_named_with_how_to_repair_the_installation(
    tmp_path: Path, harm: str, suffix: str
) -> None:
    package = Path(sakuga.__file__).parent
    shutil.copytree(package, tmp_path / "sakuga", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "sakuga" / (FOLDER / f"drawn-s{suffix}").relative_to(package)
    content = file.read_bytes()
    file.unlink()
    if harm != "gone":
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if harm == "changed" else content[:100])
    code = "from sakuga.models.own import own_digest; own_digest('drawn-s')"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert WeightsError.__name__ in done.stderr
    assert "drawn-s" in done.stderr
    assert "make setup" in done.stderr
