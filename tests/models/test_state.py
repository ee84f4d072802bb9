"""Files of weights become tensors, or are refused by their name with the reason; code in them never runs."""

import os
import pickle
import random
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import save_file

from sakuga.errors import WeightsError
from sakuga.models.networks.checkpoint import digest_of_checkpoint, load_checkpoint
from sakuga.models.networks.state import MAX_BYTES, read_state
from tests.models.states import compact_state, same, saved, small, wrong


class Trap:
    """A pickle of this makes a file when it is read as pickles usually are."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


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
        file.truncate(MAX_BYTES + 1)  # a hole, which takes no room
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
