import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sakuga.errors import WeightsError
from training.card import Card, card_of, read_weights, versions, write_card, write_weights
from training.evaluate import Result
from training.measures import Measures
from training.networks import LumaNetwork
from training.recipes import find_recipe

HALF = 1e-3
"""What fp16 may change in a weight below 1."""

RECIPE = find_recipe("drawn-s").model_copy(update={"features": 8, "layers": 2})


@pytest.fixture
def network() -> LumaNetwork:
    torch.manual_seed(1)
    return LumaNetwork(8, 2)


def test_weights_come_back_as_they_are_shipped(network: LumaNetwork, tmp_path: Path) -> None:
    shipped = write_weights(tmp_path / "own.safetensors", network)
    again = read_weights(tmp_path / "own.safetensors")
    for name, value in network.state_dict().items():
        assert torch.allclose(shipped.state_dict()[name], value, atol=HALF)
        assert torch.equal(shipped.state_dict()[name], again.state_dict()[name])
    assert [path.name for path in tmp_path.iterdir()] == ["own.safetensors"]


def test_a_torn_file_of_weights_is_named(network: LumaNetwork, tmp_path: Path) -> None:
    file = tmp_path / "own.safetensors"
    write_weights(file, network)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(WeightsError, match=r"own\.safetensors"):
        read_weights(file)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file({"body.0.weight": torch.zeros(4, 3, 3, 3)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="trained here"):
        read_weights(tmp_path / "other.safetensors")


def test_a_card_says_what_the_model_is_and_how_it_was_made(network: LumaNetwork, tmp_path: Path) -> None:
    file = tmp_path / "own.safetensors"
    write_weights(file, network)
    results = [Result("area", "own", Measures(33.0, 0.9, 0.8, 0.1))]
    card = card_of(RECIPE, network, file, None, ["A. Painter, CC-BY 4.0"], 12.3, results)
    write_card(tmp_path / "own.json", card)
    read = Card.model_validate(json.loads((tmp_path / "own.json").read_text()))
    assert read == card
    assert (read.features, read.layers, read.radius, read.scale) == (8, 2, 4, 2)
    assert read.weights == 8 * 9 + 8 + 2 * (64 * 9 + 8) + 32 * 9 + 4
    assert read.results[0]["psnr"] == 33.0
    assert set(versions()) >= {"python", "torch", "libavcodec"}
