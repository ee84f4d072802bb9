"""Checkpoints become the networks that they are of, or a refusal that says what does not fit."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from sakuga.errors import OptionError, WeightsError
from sakuga.models.cards import CARDS as ALL_CARDS
from sakuga.models.networks.checkpoint import (
    DENOISE,
    OFFICIAL,
    build_network,
    card_of_checkpoint,
    digest_of_checkpoint,
    load_checkpoint,
    read_state,
)
from sakuga.models.networks.compact import SRVGGNetCompact
from sakuga.models.networks.rrdb import RRDBNet
from tests.assets import ASSETS
from tests.models.states import State, compact_state, rrdb_state, same, saved, small, wrong

CARDS = {card.name: card for card in ALL_CARDS}
ANIME_VIDEO = ASSETS / "weights" / "realesr-animevideov3.pth"

CONTRAST = 0.1
"""Of 1: how much steeper or flatter the trained network may make a slope; untrained ones miss by 2."""

SHAPES: dict[str, Callable[[int], State]] = {
    "realesr-animevideov3": lambda seed: compact_state(seed=seed),
    "realesr-general-x4v3": lambda seed: compact_state(convolutions=32, seed=seed),
    "realesrgan-x4plus": lambda seed: rrdb_state(seed=seed),
    "realesrgan-x4plus-anime-6b": lambda seed: rrdb_state(blocks=6, seed=seed),
    "realesrgan-x2plus": lambda seed: rrdb_state(scale=2, seed=seed),
}


def card_files(name: str, folder: Path) -> list[Path]:
    """Files of a published model with weights drawn by lot, under their official names and keys."""
    card = CARDS[name]
    return [
        saved({"params_ema": SHAPES[name](seed)}, folder / file.name)
        for seed, file in enumerate(card.weights)
    ]


def test_every_model_that_can_be_downloaded_has_a_network() -> None:
    assert set(OFFICIAL) == set(CARDS)


@pytest.mark.parametrize("name", OFFICIAL)
def test_a_published_model_loads_strictly_as_its_card_says(name: str, tmp_path: Path) -> None:
    card = CARDS[name]
    network = build_network(card, card_files(name, tmp_path))
    assert (network.scale, network.radius) == (card.scale, card.radius)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    rgb = torch.rand(1, 3, 4, 6)
    assert network(rgb).shape == (1, 3, 4 * card.scale, 6 * card.scale)
    assert torch.isfinite(network(rgb)).all()


@pytest.mark.skipif(not ANIME_VIDEO.exists(), reason="the official weights are not here")
def test_the_official_weights_make_a_picture() -> None:
    card = CARDS["realesr-animevideov3"]
    assert digest_of_checkpoint(ANIME_VIDEO) == card.weights[0].sha256
    network = build_network(card, [ANIME_VIDEO])
    slope = torch.linspace(0, 1, 24).expand(1, 3, 16, 24)
    result = network(slope)
    assert result.shape == (1, 3, 64, 96)
    wanted = torch.nn.functional.interpolate(slope, scale_factor=4, mode="bilinear")
    assert (result - wanted)[..., 8:-8, 8:-8].abs().max() < CONTRAST
    assert same(dict(load_checkpoint(ANIME_VIDEO).state_dict()), dict(network.state_dict()))


@pytest.mark.parametrize("strength", [0.0, 0.25, 1.0, None])
def test_a_denoise_strength_blends_both_files_tensor_by_tensor(
    strength: float | None, tmp_path: Path
) -> None:
    card = CARDS["realesr-general-x4v3"]
    files = card_files(card.name, tmp_path)
    general, gentle = (read_state(path) for path in files)
    network = build_network(card, files, strength)
    share = DENOISE if strength is None else strength
    for name, tensor in network.state_dict().items():
        wanted = share * general[name].double() + (1 - share) * gentle[name].double()
        assert torch.allclose(tensor.double(), wanted, rtol=1e-6, atol=1e-7)
    if strength == 1:
        assert same(dict(network.state_dict()), general)


@pytest.mark.parametrize("strength", [-0.1, 1.5, float("nan")])
def test_a_denoise_strength_out_of_range_is_refused(strength: float, tmp_path: Path) -> None:
    card = CARDS["realesr-general-x4v3"]
    with pytest.raises(OptionError, match="from 0 to 1"):
        build_network(card, card_files(card.name, tmp_path), strength)


def test_a_denoise_strength_for_a_model_without_one_is_refused(tmp_path: Path) -> None:
    card = CARDS["realesr-animevideov3"]
    with pytest.raises(OptionError, match="has no denoise strength"):
        build_network(card, card_files(card.name, tmp_path), 0.5)


def test_weights_of_another_published_model_are_refused_with_what_does_not_fit(tmp_path: Path) -> None:
    card = CARDS["realesr-animevideov3"]
    other = saved(compact_state(convolutions=32), tmp_path / "renamed.pth")
    with pytest.raises(WeightsError) as caught:
        build_network(card, [other])
    message = str(caught.value)
    assert "renamed.pth' is not realesr-animevideov3" in message
    assert "not of this network: 'body.35.weight', 'body.36.weight', 'body.36.bias' and 45 more; " in message
    assert "'body.34.weight' is (64, 64, 3, 3) and not (48, 64, 3, 3)" in message


def test_weights_with_a_missing_tensor_are_refused_by_its_name(tmp_path: Path) -> None:
    state = compact_state()
    del state["body.7.weight"]
    with pytest.raises(WeightsError, match=r"; tensors missing: 'body\.7\.weight'\.$"):
        build_network(CARDS["realesr-animevideov3"], [saved(state, tmp_path / "realesr-animevideov3.pth")])


def test_a_checkpoint_of_a_built_in_kind_takes_its_shape_from_the_file(tmp_path: Path) -> None:
    compact = load_checkpoint(saved(small(), tmp_path / "compact.pth"))
    assert isinstance(compact, SRVGGNetCompact)
    assert (compact.scale, compact.radius, compact.training) == (2, 4, False)
    rrdb = load_checkpoint(saved({"params": rrdb_state(8, 2, 2, 4)}, tmp_path / "rrdb.pth"))
    assert isinstance(rrdb, RRDBNet)
    assert (rrdb.scale, rrdb.radius, rrdb.multiple) == (2, None, 2)


def test_a_built_in_kind_with_tensors_that_do_not_fit_is_refused(tmp_path: Path) -> None:
    state = small()
    del state["body.1.weight"]
    wrong(saved(state, tmp_path / "gap.pth"), "which activation")
    state = small()
    del state["body.3.weight"]
    wrong(saved(state, tmp_path / "gap.pth"), "tensors missing: 'body.3.weight'.")
    state = rrdb_state(8, 2, 4, 4)
    state["body.1.rdb2.conv3.bias"] = torch.zeros(5)
    wrong(saved(state, tmp_path / "shape.pth"), "'body.1.rdb2.conv3.bias' is (5,) and not (4,)")
    integers = {name: tensor.int() for name, tensor in small().items()}
    wrong(saved(integers, tmp_path / "integers.pth"), "torch.int32 and not (8, 3, 3, 3)")
    wrong(saved({"body.0.weight": torch.ones(3)}, tmp_path / "flat.pth"), "begins and ends")
    wrong(saved({"body.999999999999.weight": torch.ones(3)}, tmp_path / "far.pth"))


def test_a_network_that_keeps_the_size_is_refused(tmp_path: Path) -> None:
    wrong(saved(compact_state(8, 2, 1), tmp_path / "same.pth"), "keeps the size")


def test_a_checkpoints_card_has_a_name_that_is_safe_everywhere(tmp_path: Path) -> None:
    folder = tmp_path / "4x näme; rm -rf"
    folder.mkdir()
    path = saved(small(), folder / "..4x_My Model (final)\n.pth")
    card = card_of_checkpoint(path)
    digest = sha256(path.read_bytes()).hexdigest()
    assert card.name == f"4x-my-model-final-{digest[:12]}"
    assert (card.scale, card.radius, card.licence, card.weights) == (2, 4, "unknown", ())
    nameless = saved(small(), tmp_path / ("é" * 60 + ".pth"))
    assert card_of_checkpoint(nameless).name.startswith("checkpoint-")
