"""Networks compute what their formulas say, written out here once more in plain NumPy and float64."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")

import torch

from sakuga.errors import WeightsError
from sakuga.models.networks.base import SuperResolver
from sakuga.models.networks.compact import Activation, SRVGGNetCompact
from sakuga.models.networks.rrdb import RRDBNet
from tests.models.states import State, compact_state, rrdb_state

Values = NDArray[np.float64]

ROUNDING = 2e-5
"""Of the largest value: what fp32 may lose against float64 over hundreds of layers."""

SLOPES = {"relu": 0.0, "leakyrelu": 0.1}


def convolve(values: Values, state: State, name: str) -> Values:
    """A convolution of 3 x 3 with a border of zeros, of (channels, height, width)."""
    weight, bias = (state[f"{name}.{part}"].double().numpy() for part in ("weight", "bias"))
    height, width = values.shape[1:]
    around = np.pad(values, ((0, 0), (1, 1), (1, 1)))
    result = np.repeat(np.repeat(bias[:, None, None], height, 1), width, 2)
    for down in range(3):
        for across in range(3):
            part = around[:, down : down + height, across : across + width]
            result = result + np.einsum("oi,ihw->ohw", weight[:, :, down, across], part)
    return result


def leaky(values: Values, slope: Any) -> Values:  # noqa: ANN401 - one number, or one for each channel
    return np.where(values >= 0, values, slope * values)


def shuffled(values: Values, scale: int) -> Values:
    """Channel c * scale^2 + i * scale + j is the pixel in row i and column j of a square."""
    channels, height, width = values.shape[0] // scale**2, *values.shape[1:]
    result = np.empty((channels, height * scale, width * scale))
    for row in range(scale):
        for column in range(scale):
            result[:, row::scale, column::scale] = values[row * scale + column :: scale**2]
    return result


def unshuffled(values: Values, factor: int) -> Values:
    parts = [values[:, row::factor, column::factor] for row in range(factor) for column in range(factor)]
    return np.stack(parts, 1).reshape(-1, values.shape[1] // factor, values.shape[2] // factor)


def repeated(values: Values, scale: int) -> Values:
    return values.repeat(scale, 1).repeat(scale, 2)


def compact_formula(rgb: Values, state: State, scale: int, slope: float | None = None) -> Values:
    last = max(int(name.split(".")[1]) for name in state)
    values = rgb
    for index in range(0, last, 2):
        values = convolve(values, state, f"body.{index}")
        slopes = state[f"body.{index + 1}.weight"].double().numpy()[:, None, None] if slope is None else slope
        values = leaky(values, slopes)
    return shuffled(convolve(values, state, f"body.{last}"), scale) + repeated(rgb, scale)


def dense_formula(values: Values, state: State, name: str) -> Values:
    seen = [values]
    for layer in range(1, 5):
        seen.append(leaky(convolve(np.concatenate(seen), state, f"{name}.conv{layer}"), 0.2))
    return values + 0.2 * convolve(np.concatenate(seen), state, f"{name}.conv5")


def rrdb_formula(rgb: Values, state: State, scale: int) -> Values:
    first = values = convolve(unshuffled(rgb, 4 // scale), state, "conv_first")
    blocks = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("body."))
    for block in range(blocks):
        inner = values
        for dense in (1, 2, 3):
            inner = dense_formula(inner, state, f"body.{block}.rdb{dense}")
        values = values + 0.2 * inner
    values = first + convolve(values, state, "conv_body")
    for name in ("conv_up1", "conv_up2"):
        values = leaky(convolve(repeated(values, 2), state, name), 0.2)
    return convolve(leaky(convolve(values, state, "conv_hr"), 0.2), state, "conv_last")


def drawn(network: SuperResolver, state: State) -> SuperResolver:
    network.load_state_dict(state, strict=True)
    return network.eval().requires_grad_(False)


def picture(width: int, height: int, seed: int = 3) -> Values:
    return np.random.default_rng(seed).random((3, height, width))


def computed(network: SuperResolver, rgb: Values) -> Values:
    kind = next(network.parameters()).dtype
    result: Values = network(torch.from_numpy(rgb)[None].to(kind))[0].double().numpy()
    return result


def assert_close(result: Values, wanted: Values) -> None:
    assert result.shape == wanted.shape
    assert np.abs(result - wanted).max() <= ROUNDING * np.abs(wanted).max()


@pytest.mark.parametrize(("width", "height"), [(9, 6), (1, 7), (5, 1), (1, 1)])
@pytest.mark.parametrize("convolutions", [16, 32])
def test_a_compact_network_of_a_published_shape_follows_its_formula(
    convolutions: int, width: int, height: int
) -> None:
    state = compact_state(convolutions=convolutions)
    network = drawn(SRVGGNetCompact(64, convolutions, 4), state)
    rgb = picture(width, height)
    assert_close(computed(network, rgb), compact_formula(rgb, state, 4))


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_a_compact_network_of_another_scale_follows_its_formula(scale: int) -> None:
    state = compact_state(12, 3, scale)
    network = drawn(SRVGGNetCompact(12, 3, scale), state)
    rgb = picture(7, 5)
    assert_close(computed(network, rgb), compact_formula(rgb, state, scale))


@pytest.mark.parametrize("activation", ["relu", "leakyrelu"])
def test_a_compact_network_without_prelu_follows_its_formula(activation: Activation) -> None:
    state = compact_state(12, 3, 2, prelu=False)
    network = drawn(SRVGGNetCompact.like(state, activation), state)
    rgb = picture(7, 5)
    assert_close(computed(network, rgb), compact_formula(rgb, state, 2, SLOPES[activation]))


@pytest.mark.parametrize(("blocks", "scale"), [(23, 4), (6, 4), (23, 2)])
def test_an_rrdb_network_of_a_published_shape_follows_its_formula(blocks: int, scale: int) -> None:
    state = rrdb_state(blocks=blocks, scale=scale)
    network = drawn(RRDBNet(64, blocks, scale), state)
    rgb = picture(6, 4)
    assert_close(computed(network, rgb), rrdb_formula(rgb, state, scale))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 1), (1, 5), (7, 3)])
@pytest.mark.parametrize("scale", [4, 2, 1])
def test_an_rrdb_network_takes_every_size_that_is_a_multiple(scale: int, width: int, height: int) -> None:
    state = rrdb_state(8, 1, scale, 4)
    network = drawn(RRDBNet(8, 1, scale, 4), state)
    assert network.multiple == {4: 1, 2: 2, 1: 4}[scale]
    rgb = picture(width * network.multiple, height * network.multiple)
    assert_close(computed(network, rgb), rrdb_formula(rgb, state, scale))


@pytest.mark.parametrize("convolutions", [0, 1, 16, 32])
def test_a_pixel_reaches_as_far_as_the_radius_says_and_no_further(convolutions: int) -> None:
    network = drawn(SRVGGNetCompact(8, convolutions, 2), compact_state(8, convolutions, 2)).double()
    radius = network.radius
    assert radius == convolutions + 2
    side = 2 * radius + 7
    before = picture(side, side)
    after = before.copy()
    after[:, side // 2, side // 2] += 1.0
    changed = (computed(network, before) != computed(network, after)).any(0)
    rows, columns = (np.flatnonzero(changed.any(axis)) // 2 - side // 2 for axis in (1, 0))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (-radius, radius, -radius, radius)


def test_a_compact_network_is_the_sum_of_its_trunk_and_the_repeated_source() -> None:
    network = drawn(SRVGGNetCompact(8, 2, 3), compact_state(8, 2, 3))
    rgb = torch.from_numpy(picture(5, 4)).float()[None]
    skip = network.add_skip(torch.zeros(1, 3, 12, 15), rgb)
    assert np.array_equal(skip[0].numpy(), repeated(rgb[0].double().numpy(), 3))
    assert torch.equal(network(rgb), network.trunk(rgb) + skip)


def test_pictures_of_a_batch_do_not_see_each_other() -> None:
    states = compact_state(8, 2, 2), rrdb_state(8, 1, 4, 4)
    for network in (drawn(SRVGGNetCompact(8, 2, 2), states[0]), drawn(RRDBNet(8, 1, 4, 4), states[1])):
        batch = torch.rand(3, 3, 6, 5, generator=torch.Generator().manual_seed(1))
        for index in range(3):
            assert_close(
                network(batch)[index].double().numpy(), computed(network, batch[index].double().numpy())
            )


@pytest.mark.parametrize(
    ("features", "convolutions", "scale"), [(64, 16, 4), (64, 32, 4), (24, 8, 2), (4, 0, 3)]
)
def test_a_compact_networks_shape_is_read_from_its_weights(
    features: int, convolutions: int, scale: int
) -> None:
    state = compact_state(features, convolutions, scale)
    assert SRVGGNetCompact.knows(state)
    assert not RRDBNet.knows(state)
    network = SRVGGNetCompact.like(state)
    assert (network.scale, network.radius) == (scale, convolutions + 2)
    drawn(network, state)


@pytest.mark.parametrize(
    ("features", "blocks", "scale", "growth"), [(16, 6, 4, 8), (8, 2, 2, 4), (8, 1, 1, 4)]
)
def test_an_rrdb_networks_shape_is_read_from_its_weights(
    features: int, blocks: int, scale: int, growth: int
) -> None:
    state = rrdb_state(features, blocks, scale, growth)
    assert RRDBNet.knows(state)
    assert not SRVGGNetCompact.knows(state)
    network = RRDBNet.like(state)
    assert (network.scale, network.radius, network.multiple) == (scale, None, 4 // scale)
    drawn(network, state)


def test_a_compact_network_without_prelu_is_refused_where_nobody_says_what_it_has() -> None:
    with pytest.raises(WeightsError, match="which activation"):
        SRVGGNetCompact.like(compact_state(8, 2, 2, prelu=False))


def test_weights_that_make_no_square_of_pixels_are_refused() -> None:
    state = compact_state(8, 2, 2)
    state["body.6.weight"] = torch.zeros(13, 8, 3, 3)
    with pytest.raises(WeightsError, match=r"this one with 13"):
        SRVGGNetCompact.like(state)


def test_weights_for_grey_pictures_are_refused() -> None:
    grey = compact_state(8, 2, 2) | {"body.0.weight": torch.zeros(8, 1, 3, 3)}
    with pytest.raises(WeightsError, match="reads RGB"):
        SRVGGNetCompact.like(grey)
    grey = rrdb_state(8, 1, 4, 4) | {"conv_first.weight": torch.zeros(8, 1, 3, 3)}
    with pytest.raises(WeightsError, match="this one reads 1"):
        RRDBNet.like(grey)


def test_several_threads_get_what_one_gets() -> None:
    networks = [
        drawn(SRVGGNetCompact(8, 4, 2), compact_state(8, 4, 2)),
        drawn(RRDBNet(8, 1, 4, 4), rrdb_state(8, 1, 4, 4)),
    ]
    rgbs = [picture(12 + index, 9, index) for index in range(8)]
    for network in networks:
        alone = [computed(network, rgb) for rgb in rgbs]
        with ThreadPoolExecutor(4) as threads:
            together = list(threads.map(lambda rgb, network=network: computed(network, rgb), rgbs))
        assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))
