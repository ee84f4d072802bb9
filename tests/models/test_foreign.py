"""Checkpoints of networks that only spandrel knows."""

import copy
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import save_file

from sakuga.errors import MissingToolError
from sakuga.models.networks.checkpoint import card_of_checkpoint, load_checkpoint
from sakuga.models.networks.rrdb import RRDBNet
from tests.models.states import State, rrdb_state, saved, small, wrong

pytestmark = pytest.mark.skipif(find_spec("spandrel") is None, reason="spandrel is not installed")


def span(seed: int = 1, scale: int = 2, channels: int = 3) -> State:
    """SPAN (Wan et al., 2023) with 8 features: re-parametrised convolutions."""
    draw = torch.Generator().manual_seed(seed)
    state: State = {}

    def layer(name: str, entering: int, leaving: int, side: int) -> None:
        state[f"{name}.weight"] = torch.randn(leaving, entering, side, side, generator=draw) * 0.1
        state[f"{name}.bias"] = torch.randn(leaving, generator=draw) * 0.1

    def block(name: str, entering: int, leaving: int, gain: int) -> None:
        layer(f"{name}.sk", entering, leaving, 1)
        layer(f"{name}.conv.0", entering, entering * gain, 1)
        layer(f"{name}.conv.1", entering * gain, leaving * gain, 3)
        layer(f"{name}.conv.2", leaving * gain, leaving, 1)
        layer(f"{name}.eval_conv", entering, leaving, 3)

    block("conv_1", channels, 8, 2)
    for index in range(1, 7):
        for part in ("c1_r", "c2_r", "c3_r"):
            block(f"block_{index}.{part}", 8, 8, 2)
    layer("conv_cat", 32, 8, 1)
    block("conv_2", 8, 8, 2)
    layer("upsampler.0", 8, channels * scale**2, 3)
    return state


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_a_network_that_is_not_built_in_is_loaded(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"span{ending}"
    save_file(span(), path) if ending == ".safetensors" else torch.save(span(), path)
    network = load_checkpoint(path)
    assert (network.scale, network.radius, network.multiple) == (2, None, 1)
    assert not network.training
    card = card_of_checkpoint(path)
    assert (card.architecture, card.scale, card.radius) == ("SPAN", 2, None)
    for width, height in ((9, 6), (1, 7), (1, 1)):
        result = network(torch.rand(2, 3, height, width))
        assert result.shape == (2, 3, 2 * height, 2 * width)
        assert torch.isfinite(result).all()


def test_pictures_of_sizes_that_it_does_not_take_are_padded(tmp_path: Path) -> None:
    # the older layout of ESRGAN is not built in; spandrel wants two pixels at least
    names = {"conv_first": "model.0", "conv_body": "model.1.sub.1", "conv_up1": "model.3"}
    names |= {"conv_up2": "model.6", "conv_hr": "model.8", "conv_last": "model.10"}
    new, old = rrdb_state(8, 1), {}
    for name, tensor in new.items():
        layer, part = name.rsplit(".", 1)
        dense = layer.replace("body.0.rdb", "model.1.sub.0.RDB") + ".0"
        old[f"{names.get(layer, dense)}.{part}"] = tensor
    network = load_checkpoint(saved(old, tmp_path / "old.pth"))
    twin = load_checkpoint(saved(new, tmp_path / "new.pth"))
    assert type(twin) is RRDBNet
    assert type(network) is not RRDBNet
    for width, height in ((8, 6), (7, 5)):
        rgb = torch.rand(1, 3, height, width)
        assert torch.allclose(network(rgb), twin(rgb).clamp(0, 1), atol=1e-5)
    assert network(torch.rand(1, 3, 1, 1)).shape == (1, 3, 4, 4)


def test_several_threads_and_copies_get_what_one_gets(tmp_path: Path) -> None:
    network = load_checkpoint(saved(span(), tmp_path / "span.pth"))
    rgbs = [torch.rand(1, 3, 16, 12 + index) for index in range(8)]
    alone = [network(rgb) for rgb in rgbs]
    twin = copy.deepcopy(network)
    with ThreadPoolExecutor(4) as threads:
        assert all(map(torch.equal, threads.map(network, rgbs), alone))
        assert all(map(torch.equal, threads.map(twin, rgbs), alone))
    twin.double()
    assert next(network.parameters()).dtype is torch.float32


def test_what_it_computes_can_be_changed_in_place(tmp_path: Path) -> None:
    result = load_checkpoint(saved(span(), tmp_path / "span.pth"))(torch.rand(1, 3, 4, 4))
    result.mul_(2)
    assert not result.is_inference()


def test_networks_that_do_not_enlarge_rgb_are_refused_by_their_name(tmp_path: Path) -> None:
    wrong(saved(span(scale=1), tmp_path / "same.pth"), "SPAN", "restoration")
    wrong(saved(span(channels=1), tmp_path / "grey.pth"), "SPAN", "1 channels in and 1 out")


def test_tensors_that_nobody_knows_or_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    wrong(saved({"strange.weight": torch.ones(3)}, tmp_path / "strange.pth"), "no network that is known")
    state = span()
    del state["block_4.c2_r.conv.1.weight"]
    wrong(saved(state, tmp_path / "gap.pth"), "does not fit", "block_4.c2_r.conv.1.weight")


def test_without_spandrel_it_is_said_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    path = saved(span(), tmp_path / "span.pth")
    with pytest.raises(MissingToolError, match=r"span\.pth.*spandrel.*make models"):
        load_checkpoint(path)
    assert load_checkpoint(saved(small(), tmp_path / "compact.pth")).scale == 2


@pytest.mark.parametrize("installed", ["whole", "broken"])
def test_torchvision_is_used_where_it_works_and_replaced_where_not(installed: str, tmp_path: Path) -> None:
    package = tmp_path / "torchvision"
    (package / "transforms").mkdir(parents=True)
    broken = "raise RuntimeError('operator torchvision::nms does not exist')"
    (package / "__init__.py").write_text(broken if installed == "broken" else "")
    (package / "transforms" / "__init__.py").write_text("")
    names = "rotate = normalize = InterpolationMode = len"
    (package / "transforms" / "functional.py").write_text(names)
    path = saved(span(), tmp_path / "span.pth")
    program = (
        "import sys; from pathlib import Path\n"
        "from sakuga.models.networks.checkpoint import load_checkpoint\n"
        "print(load_checkpoint(Path(sys.argv[1])).scale)\n"
        "print(sys.modules['spandrel.architectures.LaMa.__arch.LaMa'].rotate.__module__)\n"
        "print('torchvision' in sys.modules)\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ours = "sakuga.models.networks.torchvision_part"
    wanted = ["2", "builtins", "True"] if installed == "whole" else ["2", ours, "False"]
    assert done.stdout.split() == wanted
