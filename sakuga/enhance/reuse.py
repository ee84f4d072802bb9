"""Exact reuse: a source picture that was seen a moment ago is not upscaled again."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

from sakuga.media.picture import Picture

KEPT = 4
"""Results that are kept: enough for a drawing held, or two or three drawings in a cycle."""


class Reuse:
    """Has pictures upscaled; equal ones get the same result object while it is among the last few.

    Attributes:
        computed: pictures that were upscaled.
        reused: pictures whose result was there already.
    """

    def __init__(self, upscale: Callable[[Picture], Future[Picture]], kept: int = KEPT) -> None:
        self._upscale = upscale
        self._kept = kept
        self._results: OrderedDict[bytes, Future[Picture]] = OrderedDict()
        self.computed = 0
        self.reused = 0

    def __call__(self, picture: Picture) -> Future[Picture]:
        """The upscaled picture, now or when it is ready."""
        if not self._kept:
            self.computed += 1
            return self._upscale(picture)
        key = picture_digest(picture)
        result = self._results.pop(key, None)
        if result is None:
            self.computed += 1
            result = self._upscale(picture)
        else:
            self.reused += 1
        self._results[key] = result
        if len(self._results) > self._kept:
            self._results.popitem(last=False)
        return result


def picture_digest(picture: Picture) -> bytes:
    """Digest of a picture's layout, size and samples; BLAKE2b, so equal ones are equal pictures."""
    digest = hashlib.blake2b(digest_size=32)
    digest.update(f"{picture.layout.pix_fmt} {picture.width}x{picture.height}".encode())
    for plane in picture.planes:
        digest.update(plane.data)
    return digest.digest()
