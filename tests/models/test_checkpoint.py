"""Checkpoints become networks, or a refusal that names the file and says why."""

import copy
import os
import pickle
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import save_file

from sakuga.errors import MissingToolError, OptionError, WeightsError
from sakuga.models.cards import CARDS as ALL_CARDS
from sakuga.models.networks import state as reading
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
from tests.models.states import State, compact_state, rrdb_state

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


class Trap:
    """A pickle of this makes a file when it is read as pickles usually are."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def small() -> State:
    return compact_state(8, 2, 2)


def saved(content: object, path: Path) -> Path:
    torch.save(content, path)
    return path


def card_files(name: str, folder: Path) -> list[Path]:
    """Files of a published model with weights drawn by lot, under their official names and keys."""
    card = CARDS[name]
    return [
        saved({"params_ema": SHAPES[name](seed)}, folder / file.name)
        for seed, file in enumerate(card.weights)
    ]


def same(one: State, other: State) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


def wrong(path: Path, *words: str) -> None:
    """The file is refused under its own name, for a reason that holds these words."""
    with pytest.raises(WeightsError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    assert path.name in message
    for word in words:
        assert word in message, message


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


@pytest.mark.parametrize("ending", [".pth", ".pt", ".pkl", ".ckpt", ".safetensors", ".PTH"])
def test_every_ending_of_a_checkpoint_is_read(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"mine{ending}"
    if ending == ".safetensors":
        save_file(small(), path)
    else:
        torch.save(small(), path)
    assert set(read_state(path)) == set(small())
    assert all(torch.equal(tensor, small()[name]) for name, tensor in read_state(path).items())


def test_the_old_layout_of_torchs_files_is_read(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save(small(), path, _use_new_zipfile_serialization=False)
    assert same(read_state(path), small())


@pytest.mark.parametrize("key", ["params_ema", "params", "state_dict", "model"])
def test_wrappers_and_prefixes_of_training_are_taken_off(key: str, tmp_path: Path) -> None:
    wrapped = {"iteration": 7, key: {f"module.{name}": tensor for name, tensor in small().items()}}
    assert same(read_state(saved(wrapped, tmp_path / "training.pth")), small())


def test_averaged_weights_are_preferred(tmp_path: Path) -> None:
    both = {"params": compact_state(8, 2, 2, seed=5), "params_ema": small()}
    assert same(read_state(saved(both, tmp_path / "both.pth")), small())


def test_half_precision_is_widened_and_integers_are_kept(tmp_path: Path) -> None:
    halves = {name: tensor.half() for name, tensor in small().items()}
    halves["steps"] = torch.tensor([3])
    halves["odd"] = torch.ones(4, dtype=torch.bfloat16)[::2]
    read = read_state(saved(halves, tmp_path / "half.pth"))
    assert torch.equal(read["body.0.weight"], small()["body.0.weight"].half().float())
    assert read["steps"].dtype is torch.int64
    assert read["odd"].dtype is torch.float32
    assert read["odd"].is_contiguous()


def test_tensors_do_not_change_with_their_file(tmp_path: Path) -> None:
    path = saved(small(), tmp_path / "mine.pth")
    read = read_state(path)
    path.write_bytes(bytes(path.stat().st_size))
    assert same(read, small())


def trap_archive(path: Path, trap: Path) -> None:
    torch.save({"params": {**small(), "extra": Trap(trap)}}, path)


def trap_old(path: Path, trap: Path) -> None:
    torch.save({"params": Trap(trap)}, path, _use_new_zipfile_serialization=False)


def trap_pickle(path: Path, trap: Path) -> None:
    path.write_bytes(pickle.dumps(Trap(trap), protocol=2))


def trap_newer_pickle(path: Path, trap: Path) -> None:
    path.write_bytes(pickle.dumps(Trap(trap), protocol=5))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("write", [trap_archive, trap_old, trap_pickle, trap_newer_pickle])
def test_a_checkpoint_that_carries_code_is_refused_and_nothing_is_run(
    write: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    path, trap = tmp_path / "trap.pth", tmp_path / "sprung"
    pickle.loads(pickle.dumps(Trap(trap)))  # the trap works where nobody is careful
    trap.rmdir()
    write(path, trap)
    wrong(path, "carries code", "was run")
    assert not trap.exists()


def test_what_a_checkpoint_wants_to_call_is_named(tmp_path: Path) -> None:
    path = tmp_path / "trap.pth"
    trap_archive(path, tmp_path / "sprung")
    wrong(path, f"'{os.name}.mkdir'")


def test_a_whole_module_is_refused_since_it_is_code(tmp_path: Path) -> None:
    wrong(saved(torch.nn.Linear(2, 2), tmp_path / "module.pth"), "carries code", "Linear")


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_torchscript_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "script.pt"
    torch.jit.save(torch.jit.trace(torch.nn.ReLU(), torch.ones(2)), path)  # type: ignore[no-untyped-call]
    wrong(path, "TorchScript")


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["archive", "old", "safetensors"])
def test_a_truncated_checkpoint_is_refused(kind: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / ("cut.safetensors" if kind == "safetensors" else "cut.pth")
    if kind == "safetensors":
        save_file(small(), path)
    else:
        torch.save(small(), path, _use_new_zipfile_serialization=kind == "archive")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    wrong(path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's, about what it finds in damaged files
@pytest.mark.parametrize("kind", ["archive", "old", "safetensors"])
def test_a_damaged_checkpoint_is_refused_or_read_and_nothing_else(kind: str, tmp_path: Path) -> None:
    path = tmp_path / ("bent.safetensors" if kind == "safetensors" else "bent.pth")
    if kind == "safetensors":
        save_file(small(), path)
    else:
        torch.save(small(), path, _use_new_zipfile_serialization=kind == "archive")
    whole = path.read_bytes()
    draw = random.Random(7)
    refused = 0
    for _ in range(150):
        bent = bytearray(whole)
        for _ in range(draw.choice((1, 4, 64))):
            bent[draw.randrange(len(bent))] = draw.randrange(256)
        path.write_bytes(bent)
        try:
            read_state(path)
        except WeightsError as error:
            assert path.name in str(error)  # noqa: PT017
            refused += 1
    assert 0 < refused < 150


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_something_else_under_a_checkpoints_name_is_refused(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"other{ending}"
    for content in (b"<!DOCTYPE html><title>404</title>", bytes(4096), b"PK\3\4", b"\x80\2.", b"hello " * 99):
        path.write_bytes(content)
        wrong(path)


def test_an_archive_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "book.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("chapter.txt", "Once upon a time")
    wrong(path)


def test_an_archive_that_unpacks_to_much_more_is_refused(tmp_path: Path) -> None:
    buffer = BytesIO()
    torch.save({"a": torch.zeros(1_000_000)}, buffer)
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    wrong(path, "an archive that torch does not write")


def test_a_small_file_with_a_huge_tensor_is_refused(tmp_path: Path) -> None:
    path = saved({"body.0.weight": torch.ones(1).expand(10**12)}, tmp_path / "huge.pth")
    assert path.stat().st_size < 10_000
    wrong(path, "more than the")


def test_a_file_larger_than_any_network_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.pth"
    with path.open("wb") as file:
        file.truncate(reading.MAX_BYTES + 1)  # a hole, which takes no room
    wrong(path, "bytes, more than the")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    state = small()
    state["body.2.weight"][3, 1, 0, 2] = value
    wrong(saved(state, tmp_path / "broken.pth"), "'body.2.weight'", "not finite")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "holds no tensors"),
        ({"params": {}}, "holds no tensors"),
        ([1, 2], "no named tensors but one list"),
        (torch.ones(3), "no named tensors but one Tensor"),
        ({"body.0.weight": "text"}, "'body.0.weight' is not a tensor"),
        ({3: torch.ones(2)}, "'3' is not a tensor"),
        ({"a": torch.ones(2, dtype=torch.complex64)}, "'a' is not a tensor"),
        ({"a": torch.eye(2).to_sparse()}, "'a' is not a tensor"),
    ],
)
def test_a_file_without_plain_named_tensors_is_refused(content: object, reason: str, tmp_path: Path) -> None:
    wrong(saved(content, tmp_path / "odd.pth"), reason)


def test_a_name_that_is_no_checkpoints_is_refused(tmp_path: Path) -> None:
    wrong(saved(small(), tmp_path / "weights.bin"), "must end in one of .pth")
    wrong(tmp_path / "absent.pth", "No such file")
    (tmp_path / "folder.pth").mkdir()
    wrong(tmp_path / "folder.pth", "folder")
    with pytest.raises(WeightsError, match="not possible"):
        load_checkpoint(tmp_path / "zero\0byte.pth")
    with pytest.raises(WeightsError, match=r"absent\.pth"):
        digest_of_checkpoint(tmp_path / "absent.pth")


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


class TestOfOthers:
    """Networks that only spandrel knows."""

    @pytest.fixture(autouse=True)
    def spandrel(self) -> None:
        pytest.importorskip("torch")
        from importlib.util import find_spec

        if find_spec("spandrel") is None:
            pytest.skip("spandrel is not installed")

    @staticmethod
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
    def test_a_network_that_is_not_built_in_is_loaded(self, ending: str, tmp_path: Path) -> None:
        path = tmp_path / f"span{ending}"
        save_file(self.span(), path) if ending == ".safetensors" else torch.save(self.span(), path)
        network = load_checkpoint(path)
        assert (network.scale, network.radius, network.multiple) == (2, None, 1)
        assert not network.training
        card = card_of_checkpoint(path)
        assert (card.architecture, card.scale, card.radius) == ("SPAN", 2, None)
        for width, height in ((9, 6), (1, 7), (1, 1)):
            result = network(torch.rand(2, 3, height, width))
            assert result.shape == (2, 3, 2 * height, 2 * width)
            assert torch.isfinite(result).all()

    def test_pictures_of_sizes_that_it_does_not_take_are_padded(self, tmp_path: Path) -> None:
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

    def test_several_threads_and_copies_get_what_one_gets(self, tmp_path: Path) -> None:
        network = load_checkpoint(saved(self.span(), tmp_path / "span.pth"))
        rgbs = [torch.rand(1, 3, 16, 12 + index) for index in range(8)]
        alone = [network(rgb) for rgb in rgbs]
        twin = copy.deepcopy(network)
        with ThreadPoolExecutor(4) as threads:
            assert all(map(torch.equal, threads.map(network, rgbs), alone))
            assert all(map(torch.equal, threads.map(twin, rgbs), alone))
        twin.double()
        assert next(network.parameters()).dtype is torch.float32

    def test_what_it_computes_can_be_changed_in_place(self, tmp_path: Path) -> None:
        result = load_checkpoint(saved(self.span(), tmp_path / "span.pth"))(torch.rand(1, 3, 4, 4))
        result.mul_(2)
        assert not result.is_inference()

    def test_networks_that_do_not_enlarge_rgb_are_refused_by_their_name(self, tmp_path: Path) -> None:
        wrong(saved(self.span(scale=1), tmp_path / "same.pth"), "SPAN", "restoration")
        wrong(saved(self.span(channels=1), tmp_path / "grey.pth"), "SPAN", "1 channels in and 1 out")

    def test_tensors_that_nobody_knows_or_that_do_not_fit_are_refused(self, tmp_path: Path) -> None:
        wrong(saved({"strange.weight": torch.ones(3)}, tmp_path / "strange.pth"), "no network that is known")
        state = self.span()
        del state["block_4.c2_r.conv.1.weight"]
        wrong(saved(state, tmp_path / "gap.pth"), "does not fit", "block_4.c2_r.conv.1.weight")

    def test_without_spandrel_it_is_said_how_to_install_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "spandrel", None)
        path = saved(self.span(), tmp_path / "span.pth")
        with pytest.raises(MissingToolError, match=r"span\.pth.*pip install \"sakuga\[spandrel\]\""):
            load_checkpoint(path)
        assert load_checkpoint(saved(small(), tmp_path / "compact.pth")).scale == 2

    @pytest.mark.parametrize("installed", ["whole", "broken"])
    def test_torchvision_is_used_where_it_works_and_replaced_where_not(
        self, installed: str, tmp_path: Path
    ) -> None:
        package = tmp_path / "torchvision"
        (package / "transforms").mkdir(parents=True)
        broken = "raise RuntimeError('operator torchvision::nms does not exist')"
        (package / "__init__.py").write_text(broken if installed == "broken" else "")
        (package / "transforms" / "__init__.py").write_text("")
        names = "rotate = normalize = InterpolationMode = len"
        (package / "transforms" / "functional.py").write_text(names)
        path = saved(self.span(), tmp_path / "span.pth")
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
