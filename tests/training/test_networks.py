import pytest
import torch
from torch.nn import functional

from training.networks import LumaNetwork, TrainedNetwork, averaged, enlarged

ROUNDING = 1e-5
"""Sums in fp32 in another order."""


def test_the_shipped_form_gives_what_the_trained_one_gives() -> None:
    torch.manual_seed(1)
    trained = TrainedNetwork(8, 2)
    luma = torch.rand(2, 1, 13, 17)
    with torch.no_grad():
        assert torch.allclose(trained(luma), trained.plain()(luma), atol=ROUNDING)


@pytest.mark.parametrize("level", [-0.07, 0.0, 0.31, 1.0, 1.09])
def test_a_flat_area_stays_as_it_is_at_every_level(level: float) -> None:
    torch.manual_seed(3)
    network = TrainedNetwork(8, 2).plain()
    with torch.no_grad():
        result = enlarged(network, torch.full((1, 1, 9, 7), level))
    assert result.shape == (1, 1, 18, 14)
    assert float((result - level).abs().max()) < ROUNDING


def test_all_levels_are_treated_alike() -> None:
    torch.manual_seed(4)
    network = TrainedNetwork(8, 2).plain()
    luma = torch.rand(1, 1, 9, 7)
    with torch.no_grad():
        difference = enlarged(network, luma + 0.25) - enlarged(network, luma)
    assert torch.allclose(difference, torch.full_like(difference, 0.25), atol=ROUNDING)


def test_the_shipped_form_is_a_row_of_plain_convolutions() -> None:
    names = [name for name, _ in TrainedNetwork(8, 2).plain().named_parameters()]
    assert names == [f"convolutions.{n}.{kind}" for n in range(4) for kind in ("weight", "bias")]


def test_the_result_is_twice_as_large() -> None:
    assert LumaNetwork(4, 1)(torch.rand(1, 1, 9, 7)).shape == (1, 1, 18, 14)


def test_without_details_it_is_bilinear_interpolation() -> None:
    network = LumaNetwork(4, 1)
    for parameter in network.convolutions[-1].parameters():
        torch.nn.init.zeros_(parameter)
    luma = torch.rand(1, 1, 9, 7)
    smooth = functional.interpolate(luma, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.equal(network(luma), smooth)


def test_a_result_depends_on_a_pixel_for_each_convolution_around() -> None:
    torch.manual_seed(2)
    network = TrainedNetwork(4, 2).plain()
    luma = torch.rand(1, 1, 21, 21)
    other = luma.clone()
    other[..., 10, 10] += 1
    with torch.no_grad():
        changed = (network(other) - network(luma)).abs()[0, 0] > 0
    rows = changed.any(dim=1).nonzero().flatten()
    # four convolutions: 4 source pixels up and down, twice as many in the result, and the pixel's own two
    assert (int(rows.min()), int(rows.max())) == (2 * (10 - 4), 2 * (10 + 4) + 1)


def test_the_mean_of_weights_moves_towards_the_newest() -> None:
    mean = {"a": torch.zeros(2)}
    averaged(mean, {"a": torch.ones(2)}, 0.25)
    assert mean["a"].tolist() == [0.25, 0.25]
