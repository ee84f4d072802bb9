"""RIFE's network: equal to its formula, loaded whole or not at all."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from sakuga.errors import WeightsError
from sakuga.models.networks.ifnet import IFNet, inference_state, render, warp
from sakuga.models.rife import Interpolator, Rife
from tests.media.pictures import LIMITED, noise
from tests.models import flownets

NEAR = 2e-5
"""Pixels of flow and shares that fp32 sums may differ from double precision, through fifty layers."""

HALF_NEAR = 0.05
"""The same for convolutions in fp16: too little to be seen."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other cost small pictures more than they give."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def images(seed: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two smooth random pictures: where neighbours differ much, a place's last bit is seen in the picture."""
    torch.manual_seed(seed)
    rough = torch.rand(2, 3, height // 8, width // 8)
    smooth = torch.nn.functional.interpolate(rough, size=(height, width), mode="bilinear")
    return smooth[:1], smooth[1:]


def network(state: dict[str, torch.Tensor]) -> IFNet:
    net = IFNet().eval().requires_grad_(False)
    net.load_state_dict(state)
    return net


@pytest.mark.parametrize(("t", "size"), [(0.5, (64, 64)), (0.13, (64, 128)), (0.9, (128, 64))])
def test_flow_mask_and_picture_are_those_of_the_formula(t: float, size: tuple[int, int]) -> None:
    state = flownets.random_state(3)
    left, right = images(1, *size)
    net = network(state)
    flow, share = net(left, right, (net.encode(left), net.encode(right)), t)
    exact = flownets.Formula(state).between(left[0].double().numpy(), right[0].double().numpy(), t)
    assert np.abs(exact[0]).max() > 1, "the weights move nothing"
    assert exact[1].std() > 0.005, "the mask is the same everywhere"
    assert np.abs(flow[0].numpy() - exact[0]).max() < NEAR
    assert np.abs(share[0].numpy() - exact[1]).max() < NEAR
    assert np.abs(render(left, right, flow, share)[0].numpy() - exact[2]).max() < NEAR


def test_the_time_between_matters() -> None:
    left, right = images(2, 64, 64)
    net = network(flownets.random_state(4))
    pair = net.encode(left), net.encode(right)
    flows = [net(left, right, pair, t)[0] for t in (0.25, 0.75)]
    assert float((flows[0] - flows[1]).abs().max()) > 100 * NEAR


def test_a_constant_flow_comes_out_as_it_is_in_the_weights() -> None:
    left, right = images(3, 64, 128)
    net = network(flownets.constant_state((1.5, -2.25), (-3, 4), logit=1))
    flow, share = net(left, right, (net.encode(left), net.encode(right)), 0.5)
    expected = torch.tensor([1.5, -2.25, -3, 4]).view(1, 4, 1, 1).expand_as(flow)
    assert torch.equal(flow, expected)
    assert torch.allclose(share, torch.sigmoid(torch.ones(())).expand_as(share))


def test_a_warp_by_whole_pixels_moves_and_repeats_edges() -> None:
    image = torch.arange(12.0).view(1, 1, 3, 4)
    moved = warp(image, torch.tensor([1.0, -1.0]).view(1, 2, 1, 1).expand(1, 2, 3, 4))
    expected = [[1, 2, 3, 3], [1, 2, 3, 3], [5, 6, 7, 7]]
    assert torch.allclose(moved[0, 0], torch.tensor(expected, dtype=torch.float32), atol=NEAR)


def test_published_files_load_without_the_parts_of_the_training(tmp_path: Path) -> None:
    state = flownets.random_state(5)
    path = flownets.save_flownet(tmp_path / "flownet.pkl", state)
    stored = inference_state(torch.load(path, weights_only=True))
    assert stored.keys() == state.keys() == IFNet().state_dict().keys()
    Rife(path, "cpu")


@pytest.mark.parametrize("change", ["missing", "more", "shape"])
def test_weights_of_another_network_are_refused(tmp_path: Path, change: str) -> None:
    state = flownets.constant_state((0, 0), (0, 0))
    if change == "missing":
        del state["block4.convblock.7.beta"]
    elif change == "more":
        state["block5.conv0.0.0.bias"] = torch.ones(8)
    else:
        state["encode.cnn3.weight"] = torch.ones(16, 8, 4, 4)
    with pytest.raises(WeightsError, match=r"RIFE 4\.25"):
        Rife(flownets.save_flownet(tmp_path / "flownet.pkl", state), "cpu")


def test_half_precision_keeps_flow_and_mask(tmp_path: Path) -> None:
    path = flownets.save_flownet(tmp_path / "flownet.pkl", flownets.random_state(6))
    left, right = noise(1, (96, 64)), noise(2, (96, 64))
    full, half = (
        Interpolator(Rife(path, "cpu", precision), LIMITED).between(left, right, 0.4)
        for precision in (torch.float32, torch.float16)
    )
    assert not np.array_equal(full.to_left, half.to_left), "fp16 was not used"
    assert np.abs(full.to_left - half.to_left).max() < HALF_NEAR
    assert np.abs(full.to_right - half.to_right).max() < HALF_NEAR
    assert np.abs(full.share - half.share).max() < HALF_NEAR


def test_what_half_precision_cannot_hold_is_computed_in_full(tmp_path: Path) -> None:
    state = flownets.random_state(6)
    state["block2.conv0.0.0.weight"] *= 1e6
    state["block2.conv0.1.0.weight"] *= 1e-6
    path = flownets.save_flownet(tmp_path / "flownet.pkl", state)
    left, right = noise(1, (48, 40)), noise(2, (48, 40))
    full, half = (
        Interpolator(Rife(path, "cpu", precision), LIMITED).between(left, right, 0.4)
        for precision in (torch.float32, torch.float16)
    )
    assert np.isfinite(full.to_left).all()
    assert np.array_equal(full.to_left, half.to_left)
    assert np.array_equal(full.share, half.share)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = flownets.save_flownet(tmp_path / "flownet.pkl", flownets.constant_state((0, 0), (0, 0)))
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(WeightsError):
        Rife(path, "cpu")
