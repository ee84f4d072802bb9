"""Files of weights: named tensors out of them, and nothing else."""

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sakuga.errors import WeightsError

PICKLES = (".pth", ".pt", ".pkl", ".ckpt")
SAFETENSORS = ".safetensors"

MAX_BYTES = 1 << 30
"""Of a file, and of its tensors as fp32: several times the largest network that a video is upscaled with."""

MAX_TENSORS = 100_000

WRAPPERS = ("params_ema", "params-ema", "params", "model_state_dict", "state_dict", "model", "net")
"""Keys under which training programs put the tensors, the averaged ones first: they are what is published."""

_GLOBAL = re.compile(r"GLOBAL\s+(\S+)")
"""Where torch says which function a pickle wants to be called."""


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by their names, on the CPU; floats as fp32, integers as they are.

    Nothing that the file says is run: pickles are read with torch's list of what weights need, safetensors
    cannot hold code. The tensors are copies, so that the file may be replaced or removed afterwards.

    Args:
        path: a file whose name ends in .pth, .pt, .pkl, .ckpt or .safetensors.

    Raises:
        WeightsError: the file is missing, too large, truncated, not a checkpoint, carries code, or holds no
            tensors, more than `MAX_BYTES` of them, or values that are not finite.
    """
    shown = repr(str(path))
    _check_size(path, shown)
    ending = path.suffix.lower()
    if ending == SAFETENSORS:
        content: Any = _read_safetensors(path, shown)
    elif ending in PICKLES:
        content = _read_pickle(path, shown)
    else:
        known = ", ".join((*PICKLES, SAFETENSORS))
        raise WeightsError(f"{shown} does not look like weights: its name must end in one of {known}.")
    state = _without_prefix(_tensors(content, shown), shown)
    _check_total(state, shown)
    return {name: _as_fp32(name, tensor, shown) for name, tensor in state.items()}


def _check_size(path: Path, shown: str) -> None:
    try:
        size = path.stat().st_size
        regular = path.is_file()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the name is not possible"
        raise WeightsError(f"{shown} cannot be read: {reason}.") from error
    if not regular:
        raise WeightsError(f"{shown} is not a file of weights but a folder or a device.")
    if size == 0:
        raise WeightsError(f"{shown} is empty; download it again.")
    if size > MAX_BYTES:
        raise WeightsError(f"{shown} has {size} bytes, more than the {MAX_BYTES} that weights may have.")


def _read_safetensors(path: Path, shown: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path, device="cpu")
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise WeightsError(f"{shown} is truncated or is not a safetensors file: {_line(error)}") from error


def _read_pickle(path: Path, shown: str) -> object:
    archive = _check_archive(path, shown)
    try:
        # tensors of an archive are mapped, and copied one by one as they are converted
        return torch.load(path, map_location="cpu", weights_only=True, mmap=archive)
    except pickle.UnpicklingError as error:
        called = _GLOBAL.search(str(error))
        if called:
            raise WeightsError(
                f"{shown} carries code: it wants {called[1]!r} to be called when it is read, which weights "
                "do not need; nothing of it was run, and it should not be used."
            ) from error
        raise WeightsError(
            f"{shown} is damaged, is not a checkpoint of torch, or carries code; nothing of it was run."
        ) from error
    except Exception as error:  # a damaged pickle can fail in every way there is
        raise WeightsError(f"{shown} is truncated or is not a checkpoint: {_line(error)}") from error


def _check_archive(path: Path, shown: str) -> bool:
    """Whether the file is an archive, as torch has written since 1.6."""
    try:
        with path.open("rb") as file:
            if file.read(2) != b"PK":
                return False
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeDecodeError) as error:
        raise WeightsError(f"{shown} is truncated or damaged: {_line(error)}") from error
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        raise WeightsError(f"{shown} is a TorchScript program, which is code; save its state_dict instead.")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MAX_BYTES or any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise WeightsError(f"{shown} is an archive that torch does not write: packed, or too large unpacked.")
    return True


def _tensors(content: object, shown: str) -> dict[str, Tensor]:
    """The named tensors in what a file holds, out of the wrappers of training programs."""
    if isinstance(content, Mapping):
        inner = (content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping))
        content = next(inner, content)
    if not isinstance(content, Mapping):
        kind = type(content).__name__
        raise WeightsError(f"{shown} holds no named tensors but one {kind}; it is not a checkpoint.")
    if not content:
        raise WeightsError(f"{shown} holds no tensors.")
    strange = [key for key, value in content.items() if not isinstance(key, str) or not _plain(value)]
    if strange:
        raise WeightsError(
            f"{shown} is not a checkpoint: its entry {str(strange[0])[:80]!r} is not a tensor."
        )
    return dict(content)


def _plain(value: object) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
        and not value.is_complex()
    )


def _without_prefix(state: dict[str, Tensor], shown: str) -> dict[str, Tensor]:
    """Names without the `module.` that data-parallel training puts before every one of them."""
    if len(state) > MAX_TENSORS:
        raise WeightsError(f"{shown} holds {len(state)} tensors, more than the {MAX_TENSORS} of any network.")
    if all(name.startswith("module.") for name in state):
        return {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return state


def _check_total(state: Mapping[str, Tensor], shown: str) -> None:
    """Refuse small files whose tensors say that they are large, as views of one number can."""
    total = sum(4 * tensor.numel() for tensor in state.values())
    if total > MAX_BYTES:
        raise WeightsError(
            f"{shown} has {total} bytes of weights, more than the {MAX_BYTES} that are allowed."
        )


def _as_fp32(name: str, tensor: Tensor, shown: str) -> Tensor:
    kind = torch.float32 if tensor.is_floating_point() else tensor.dtype
    result = torch.empty(tensor.shape, dtype=kind, device="cpu").copy_(tensor.detach())
    if not bool(torch.isfinite(result).all()):
        raise WeightsError(f"{shown} is damaged: its tensor {name!r} holds values that are not finite.")
    return result


def _line(error: BaseException) -> str:
    """What an error of a library says, in one short line."""
    text = " ".join(str(error).split())[:160].rstrip(" .:;,")
    return f"{text or type(error).__name__}."
