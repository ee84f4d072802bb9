"""Files of weights in the safetensors format, read without PyTorch."""

import json
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sakuga.errors import WeightsError

DTYPES: dict[str, np.dtype[np.float16] | np.dtype[np.float32]] = {
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
}

MAX_HEADER = 1 << 20
"""Bytes of the names and shapes; those of small networks need a few hundred."""


def read_tensors(content: bytes, path: Path) -> dict[str, NDArray[np.float32]]:
    """Named tensors in fp32 out of the bytes of a safetensors file.

    Args:
        content: of the file: the length of a header in 8 bytes, the header as JSON, the numbers.
        path: of the file, for messages.

    Raises:
        WeightsError: the bytes are no such file, or hold other kinds of numbers than fp16 and fp32, or
            numbers that are not finite.
    """
    try:
        (length,) = struct.unpack("<Q", content[:8])
        if length > min(MAX_HEADER, len(content) - 8):
            raise ValueError("the header is longer than the file")
        header = json.loads(content[8 : 8 + length])
        header.pop("__metadata__", None)
        tensors = {name: _tensor(content[8 + length :], **entry) for name, entry in header.items()}
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{str(path)!r} is damaged or is no safetensors file: {error}.") from error
    if not tensors or not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise WeightsError(f"{str(path)!r} is damaged: it has no weights, or some that are no numbers.")
    return tensors


def _tensor(data: bytes, dtype: str, shape: list[int], data_offsets: list[int]) -> NDArray[np.float32]:
    begin, end = data_offsets
    values: NDArray[np.generic] = np.frombuffer(data[begin:end], DTYPES[dtype])
    return np.asarray(values.reshape(shape), np.float32)
