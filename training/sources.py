"""A folder of pictures and clips, searched for what can be learned from."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from sakuga.errors import InputError, SakugaError
from sakuga.media.decode import FrameReader
from sakuga.media.kernels import Floats
from sakuga.media.probe import probe
from sakuga.settings import Limits
from training.saying import Say, nothing
from training.still import Rgb, Still, from_picture, from_rgb

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
CLIPS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".gif")

SMALLEST = 192
"""Samples along the shorter side of a picture that is of use."""

LEAST_PICTURES = 2
LEAST_SAMPLES = 200_000
"""Pictures, and luma samples of them, that a folder must give to training; less is learned by heart."""

CLIP_SHRINK = 2
"""Frames of clips are made smaller by this before they are taken for the truth: coding has blurred them."""

FRAMES_OF_A_CLIP = 24
"""Frames taken from a clip at the most, evenly over its length."""

NEAR = 6
"""Bits of 64 in which the hashes of two pictures that show the same may differ."""

HELD_OUT = 64
"""Of 256 files, how many are kept out of training: those whose digest's first byte is below."""


@dataclass(frozen=True, eq=False)
class Source:
    """One picture, or one frame of a clip.

    Attributes:
        name: path below the folder, with the frame's number for clips.
        digest: SHA-256 of the file.
        held_out: kept out of training; decided by the digest alone, so that it never changes.
        still: the picture.
    """

    name: str
    digest: str
    held_out: bool
    still: Still


@dataclass(frozen=True, eq=False)
class Sources:
    """What was found, and what was left out, each with the reason."""

    used: tuple[Source, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    duplicates: tuple[tuple[str, str], ...] = ()
    small: tuple[str, ...] = ()

    @property
    def training(self) -> tuple[Source, ...]:
        """Those that are trained on."""
        return tuple(source for source in self.used if not source.held_out)

    @property
    def held_out(self) -> tuple[Source, ...]:
        """Those that are only measured on."""
        return tuple(source for source in self.used if source.held_out)

    def digest(self) -> str:
        """What identifies all of them."""
        text = "\n".join(f"{source.name} {source.digest}" for source in self.used)
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def find_sources(folder: Path, limits: Limits, say: Say = nothing) -> Sources:
    """Read every picture and clip below a folder, in the order of their names.

    What does not read, is too small, or shows what another one shows is left out, and said.

    Args:
        folder: searched with its subfolders; names that begin with a dot are passed over.
        limits: what a clip or picture may be at most.
        say: called with a line for each thing that is left out.

    Raises:
        InputError: there is no such folder, or it does not hold enough; the message says what it holds.
    """
    if not folder.is_dir():
        raise InputError(
            f"There is no folder {str(folder)!r} to learn from; give one with pictures or clips."
        )
    seen = _Seen(folder, say)
    for path in sorted(_files(folder)):
        seen.take(path, limits)
    found = seen.sources()
    _check(folder, found, seen.files)
    return found


def held_out(digest: str) -> bool:
    """Whether the file of this SHA-256 is kept out of training."""
    return int(digest[:2], 16) < HELD_OUT


def perceptual_hash(luma: Floats) -> int:
    """64 bits that differ little between pictures that look alike.

    Luma is shrunk to 32 x 32; each bit says whether one of the 64 lowest terms of its cosine transform, but
    for the mean, is above their median (C. Zauner, Implementation and benchmarking of perceptual image hash
    functions, 2010).
    """
    small = cv2.resize(luma, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    terms = cv2.dct(small)[:8, 1:9]
    bits = (terms > np.median(terms)).ravel()
    return int("".join("1" if bit else "0" for bit in bits), 2)


@dataclass
class _Seen:
    folder: Path
    say: Say
    files: int = 0
    _used: list[Source] = field(default_factory=list)
    _hashes: list[int] = field(default_factory=list)
    _unreadable: list[tuple[str, str]] = field(default_factory=list)
    _duplicates: list[tuple[str, str]] = field(default_factory=list)
    _small: list[str] = field(default_factory=list)

    def take(self, path: Path, limits: Limits) -> None:
        """Add what a file holds."""
        self.files += 1
        name = str(path.relative_to(self.folder))
        try:
            digest = _digest(path)
            stills = _picture(path, limits) if path.suffix.lower() in PICTURES else _frames(path, limits)
            for label, still in stills:
                self._add(Source(name + label, digest, held_out(digest), still))
        except (SakugaError, OSError, ValueError) as error:
            self._unreadable.append((name, str(error)))
            self.say(f"left out, does not read: {name!r}: {error}")

    def _add(self, source: Source) -> None:
        if min(source.still.size) < SMALLEST:
            self._small.append(source.name)
            self.say(f"left out, smaller than {SMALLEST} samples: {source.name!r}")
            return
        mark = perceptual_hash(source.still.luma)
        for other, known in zip(self._used, self._hashes, strict=True):
            if (mark ^ known).bit_count() <= NEAR:
                self._duplicates.append((source.name, other.name))
                if source.digest != other.digest:
                    self.say(f"left out, shows what {other.name!r} shows: {source.name!r}")
                return
        self._used.append(source)
        self._hashes.append(mark)

    def sources(self) -> Sources:
        """Everything found."""
        return Sources(
            tuple(self._used), tuple(self._unreadable), tuple(self._duplicates), tuple(self._small)
        )


def _check(folder: Path, found: Sources, files: int) -> None:
    if not files:
        raise InputError(f"The folder {str(folder)!r} holds no pictures or clips; give one that does.")
    training = found.training
    samples = sum(source.still.luma.size for source in training)
    if len(training) >= LEAST_PICTURES and samples >= LEAST_SAMPLES and found.held_out:
        return
    raise InputError(
        f"The folder {str(folder)!r} is too small to learn from: of {files} files, {len(found.used)} "
        f"pictures are of use ({len(found.held_out)} kept out for measuring, {samples} samples to train on), "
        f"{len(found.duplicates)} show the same as others, {len(found.small)} are smaller than {SMALLEST} "
        f"samples, {len(found.unreadable)} do not read; add more different pictures."
    )


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.suffix.lower() in (*PICTURES, *CLIPS) and path.is_file():
            yield path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _picture(path: Path, limits: Limits) -> Iterable[tuple[str, Still]]:
    try:
        with Image.open(path) as image:
            if image.width * image.height > limits.max_pixels:
                raise InputError(f"it has more than {limits.max_pixels} pixels.")
            return [("", from_rgb(_rgb(image)))]
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(
            f"it is no picture that can be read ({' '.join(str(error).split())[:120]})."
        ) from error


def _rgb(image: Image.Image) -> Rgb:
    """Its pixels in 8 bits, what is transparent over white."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        over = Image.new("RGBA", image.size, "white")
        over.alpha_composite(image.convert("RGBA"))
        image = over
    return np.asarray(image.convert("RGB"))


def _frames(path: Path, limits: Limits) -> Iterator[tuple[str, Still]]:
    probed = probe(path, limits)
    video = probed.info.video
    numbers = _spread(len(probed.packets))
    with FrameReader(path, video, probed.packets, limits=limits, threads=1) as reader:
        for number in numbers:
            for picture in reader.read(number, number + 1):
                still = from_picture(picture, video.colour)
                width, height = (side // CLIP_SHRINK // 2 * 2 for side in still.size)
                yield f" frame {number}", still.resized(width, height, "area")


def _spread(frames: int) -> Sequence[int]:
    count = min(frames, FRAMES_OF_A_CLIP)
    return [(2 * number + 1) * frames // (2 * count) for number in range(count)]
