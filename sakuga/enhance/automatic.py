"""The model of a video for which none was named: for what the video shows, and as large as plays in time."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from math import log10
from statistics import median

import cv2
import numpy as np

from sakuga.media.film import Film, PictureSource
from sakuga.media.info import Colour, Frozen, VideoStream
from sakuga.media.kernels import Floats
from sakuga.media.packets import PacketIndex
from sakuga.media.picture import Picture
from sakuga.media.resize import Levels
from sakuga.models.base import Precision
from sakuga.models.luma_network import SCALE
from sakuga.models.own import Size, network_speed, own_name, own_network
from sakuga.models.processes import cpus

PLACES = 12
"""Frames that are looked at, spread over the video."""

STEP = 8
"""Frames from one that is looked at to the next, where there are fewer keyframes than `PLACES`."""

SHORTER = 480
"""Samples of a frame's shorter side that are looked at: larger frames are made smaller, for they are mostly
softer than a screen shows them."""

LARGEST = 640
"""Samples across and down of the middle of a frame that is looked at."""

SMALLEST = 32
"""Samples of a side below which nothing can be told."""

LEAST_DETAIL = 1e-5
"""Mean squared error of plain interpolation below which a frame shows too little to tell by: 50 dB."""

REST_SECONDS = 21e-9
"""Of one processor for each pixel of the result, beside the network: what decoding, conversion and encoding
with the default codec and preset take (docs/performance.md, the pipeline's own cost)."""

SIZES: tuple[Size, ...] = ("m", "s")
"""From the slowest to the fastest."""


class Choice(Frozen):
    """A model, and why it was taken.

    Attributes:
        model: its name.
        kind: why it is one for drawn or for filmed video, in a sentence.
        size: why it is of this size, in a sentence.
        sizes: names of all of its kind.
    """

    model: str
    kind: str
    size: str
    sizes: tuple[str, ...]

    @property
    def reason(self) -> str:
        """All of it."""
        return f"{self.kind} {self.size}"

    def begun_with(self, model: str) -> "Choice":
        """The same where finished chunks of a model of this kind are at hand."""
        if model == self.model:
            return self
        why = f"{model} is taken, as there are finished chunks of this result that were made with it."
        return self.model_copy(update={"model": model, "size": why})


def choose_model(
    reader: PictureSource,
    packets: PacketIndex,
    video: VideoStream,
    film: Film,
    size: tuple[int, int],
    rate: Fraction | None = None,
    precision: Precision = "auto",
    *,
    alone: bool = True,
    on_look: Callable[[], None] | None = None,
) -> Choice:
    """Choose one of our own networks.

    Frames are made smaller by half, and enlarged by the smallest network for drawn and the smallest for
    filmed video: what rebuilds them better is for this video. Of its sizes the largest is taken with which
    the job takes no longer than the video plays.

    Args:
        reader: gives decoded frames.
        packets: which of them are keyframes.
        video: the stream.
        film: how film frames are made of decoded ones.
        size: width and height of the result in pixels.
        rate: frames per second of the result; the film's where it is None.
        precision: of the network's arithmetic.
        alone: whether this machine does all the work; many machines take the largest.
        on_look: called for every frame that is looked at; what it raises stops the work.

    Raises:
        DamagedMediaError: a frame does not decode (raised by the reader).
        MissingToolError: OpenVINO does not load.
        WeightsError: the weights are damaged.
    """
    gains = []
    for picture in _looked_at(reader, packets):
        if on_look:
            on_look()
        gain = _gain(picture, video.colour, fields=film.kind != "frames")
        gains += [gain] if gain is not None else []
    domain, kind = _kind_of(gains)
    names = tuple(own_name(domain, each) for each in SIZES)
    filmed = film.count / max(float(video.duration), 1e-3)
    shown = float(rate) if rate else filmed
    if alone:
        model, speed = _size_of(names, video, size, (filmed, shown), precision)
    else:
        model, speed = names[0], f"{names[0]} is taken, as many machines share the work."
    return Choice(
        model=model,
        kind=kind,
        size=speed,
        sizes=names,
    )


def _kind_of(gains: Sequence[float]) -> tuple[str, str]:
    """Drawn or filmed, by the gains of the frames, and why in a sentence."""
    gain = median(gains) if gains else 0.0
    domain, other = ("drawn", "filmed") if gain > 0 else ("filmed", "drawn")
    why = (
        f"rebuilds frames from half their size {abs(gain):.2f} dB better than the one for {other} video "
        f"(the median of {len(gains)} frames)"
        if gains
        else "invents the least, and the video shows too little to tell by"
    )
    return domain, f"The video is taken for {domain}: the network for {domain} video {why}."


def _looked_at(reader: PictureSource, packets: PacketIndex) -> Iterator[Picture]:
    """Keyframes spread over the video; of few keyframes also frames soon after each, read in one go."""
    keys = np.flatnonzero(packets.keyframe).tolist()
    if len(keys) > PLACES:
        keys = [keys[(2 * place + 1) * len(keys) // (2 * PLACES)] for place in range(PLACES)]
    for key, following in zip(keys, (*keys[1:], len(packets)), strict=True):
        end = min(following, key + STEP * (-(-PLACES // len(keys)) - 1) + 1)
        for number, picture in enumerate(reader.read(key, end)):
            if number % STEP == 0:
                yield picture


def _gain(picture: Picture, colour: Colour, *, fields: bool) -> float | None:
    """By how many dB the network for drawn video rebuilds a picture better than the one for filmed video.

    Args:
        picture: what is looked at.
        colour: what its samples mean.
        fields: whether its lines may be of two moments; every other one is left out then.

    Returns:
        None where the picture shows too little to tell.
    """
    truth = _middle(picture, colour, fields=fields)
    if min(truth.shape) < SMALLEST:
        return None
    height, width = truth.shape
    half = _resized(truth, height // 2, width // 2)
    plain = _resized(half, height, width)
    if float(np.square(plain - truth).mean()) < LEAST_DETAIL:
        return None
    drawn, filmed = (
        float(np.square(own_network(own_name(domain, "s"), "fp32").enlarge(half) - truth).mean())
        for domain in ("drawn", "filmed")
    )
    return 10 * log10(filmed / drawn)


def _middle(picture: Picture, colour: Colour, *, fields: bool) -> Floats:
    """The middle of a picture's luma, black 0 and white 1, of even sides."""
    levels = Levels.of(picture.layout.depth, colour.full_range, chroma=False)
    luma = (picture.planes[0][::2] if fields else picture.planes[0]).astype(np.float32)
    luma = np.clip((luma - np.float32(levels.zero)) * np.float32(1 / levels.span), 0, 1)
    shrink = SHORTER / min(luma.shape)
    if shrink < 1:
        luma = _resized(luma, round(luma.shape[0] * shrink), round(luma.shape[1] * shrink))
    height, width = (min(side, LARGEST) // 2 * 2 for side in luma.shape)
    top, left = ((side - part) // 2 for side, part in zip(luma.shape, (height, width), strict=True))
    return luma[top : top + height, left : left + width]


def _resized(luma: Floats, height: int, width: int) -> Floats:
    size, smaller = (width, height), width < luma.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(luma, size, interpolation=how).astype(np.float32, copy=False)


def _size_of(
    names: Sequence[str],
    video: VideoStream,
    size: tuple[int, int],
    rates: tuple[float, float],
    precision: Precision,
) -> tuple[str, str]:
    """The largest network with which the job takes no longer than the video plays, and a sentence about that.

    Args:
        names: of the networks, from the largest.
        video: the stream.
        size: of the result.
        rates: frames a second of the film, which are enlarged, and of the result, which are encoded.
        precision: of the networks' arithmetic.
    """
    computed, width, height = video.width * video.height, SCALE * video.width, SCALE * video.height
    while width < size[0] or height < size[1]:
        computed, width, height = computed + width * height, SCALE * width, SCALE * height
    rest = rates[1] * size[0] * size[1] * REST_SECONDS / cpus()
    for name in names:
        # of each second of the video
        taken = rates[0] * computed / network_speed(name, precision) + rest
        if taken <= 1:
            break
    return (
        name,
        f"{name} is taken: with it this machine needs about {taken:.2g} s for each second of the video.",
    )
