"""Channels of any layout mixed to the one that is wanted.

The weights are those of ITU-R BS.775-3, annex 4: centre and surrounds at -3 dB in the fronts, and no
low-frequency effects there. Samples are numbers of 32 bits, so that a sum above full scale is not clipped.
"""

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from sakuga.episode.spec import Layout

CHANNELS: dict[Layout, tuple[str, ...]] = {
    "mono": ("FC",),
    "stereo": ("FL", "FR"),
    "5.1": ("FL", "FR", "FC", "LFE", "BL", "BR"),
}
"""The channels of each layout in their order, in ffmpeg's names."""

_DOWN = sqrt(0.5)
_STEREO: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("FL", "FLC", "WL", "DL"), (1.0, 0.0)),
    **dict.fromkeys(("FR", "FRC", "WR", "DR"), (0.0, 1.0)),
    **dict.fromkeys(("BL", "SL", "TFL", "TBL", "TSL", "SDL"), (_DOWN, 0.0)),
    **dict.fromkeys(("BR", "SR", "TFR", "TBR", "TSR", "SDR"), (0.0, _DOWN)),
    "FC": (_DOWN, _DOWN),
    **dict.fromkeys(("BC", "TC", "TFC", "TBC"), (0.5, 0.5)),
    **dict.fromkeys(("LFE", "LFE2"), (0.0, 0.0)),
}
_SURROUND: dict[str, dict[str, float]] = {
    **{name: {"FL": 1.0} for name in ("FL", "FLC", "WL", "DL")},
    **{name: {"FR": 1.0} for name in ("FR", "FRC", "WR", "DR")},
    **{name: {"BL": 1.0} for name in ("BL", "SL", "SDL")},
    **{name: {"BR": 1.0} for name in ("BR", "SR", "SDR")},
    **{name: {"FL": _DOWN} for name in ("TFL", "TSL")},
    **{name: {"FR": _DOWN} for name in ("TFR", "TSR")},
    **{name: {"FL": _DOWN, "FR": _DOWN} for name in ("TC", "TFC")},
    **{name: {"BL": _DOWN, "BR": _DOWN} for name in ("BC", "TBC")},
    "TBL": {"BL": _DOWN},
    "TBR": {"BR": _DOWN},
    "FC": {"FC": 1.0},
    "LFE": {"LFE": 1.0},
    "LFE2": {"LFE": 1.0},
}
_USUAL: dict[int, tuple[str, ...]] = {
    1: ("FC",),
    2: ("FL", "FR"),
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
"""What channels are where a file only says how many there are."""


def downmix(names: Sequence[str], layout: Layout) -> NDArray[np.float32]:
    """The weight of each channel that there is (rows) in each channel that is wanted (columns).

    A single channel is heard from the front at its own level, in 5.1 from the centre. Channels of unknown
    place are shared among the fronts.

    Args:
        names: of the channels that there are, in ffmpeg's names and in their order.
        layout: what is wanted.
    """
    wanted = CHANNELS[layout]
    known = names if all(name in _STEREO for name in names) else _USUAL.get(len(names), ())
    weights = np.zeros((len(names), len(wanted)), np.float32)
    if not known:
        weights[:, : 1 if layout == "mono" else 2] = 1 / len(names)
    elif len(known) == 1:
        weights[0] = [name == "FC" or layout == "stereo" for name in wanted]
    elif layout == "5.1":
        for row, name in enumerate(known):
            for target, weight in _SURROUND[name].items():
                # Side and back of one hand share one channel.
                shared = name in ("SL", "BL", "SR", "BR") and {"S" + name[1], "B" + name[1]} <= set(known)
                weights[row, wanted.index(target)] = weight * _DOWN if shared else weight
    else:
        pairs = np.array([_STEREO[name] for name in known], np.float32)
        weights[:] = pairs if layout == "stereo" else pairs.mean(axis=1, keepdims=True)
    return weights
