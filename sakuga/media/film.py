"""Film frames: whole progressive pictures, made of decoded frames."""

from typing import Literal

from sakuga.media.info import Frozen, Rational

FilmKind = Literal["frames", "bob", "deinterlaced", "woven"]


class Film(Frozen):
    """How film frames are made of decoded frames.

    * `frames`: film frame k is decoded frame `top[k]`.
    * `bob`: decoded frame k gives the film frames 2k and 2k+1, one for each field; `top` is empty.
    * `deinterlaced`: decoded frame k gives film frame k; `top` is empty.
    * `woven`: film frame k has the top field of decoded frame `top[k]` and the bottom field of `bottom[k]`;
      where `combed[k]` it is then deinterlaced in space.

    `top` empty with `frames` means that film frames are the decoded frames, all of them.
    """

    kind: FilmKind
    count: int
    top_field_first: bool = True
    top: tuple[int, ...] = ()
    bottom: tuple[int, ...] = ()
    combed: tuple[bool, ...] = ()

    def decoded_span(self, first: int, end: int) -> tuple[int, int]:
        """Half-open range of decoded frames that film frames [first, end) are made of, without context."""
        if self.kind == "bob":
            return first // 2, (end + 1) // 2
        if not self.top:
            return first, end
        used = self.top[first:end] + self.bottom[first:end]
        return min(used), max(used) + 1


class FilmTrack(Frozen):
    """Film frames with their exact times.

    Film frame k is shown at `times[k]` ticks of `time_base` on the container's clock; `end` is when the last
    one stops being shown. `rate` is the constant rate in frames per second, None where times vary.
    """

    film: Film
    time_base: Rational
    times: tuple[int, ...]
    end: int
    rate: Rational | None
