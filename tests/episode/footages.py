"""Forms, clips as footage, and what their pictures show."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

from sakuga.episode.footage import Footage, pictures
from sakuga.episode.form import Form
from sakuga.episode.spec import Scene
from sakuga.episode.timeline import scene_frames
from sakuga.media.encode import EncodeSettings
from sakuga.media.info import PixelLayout
from sakuga.media.picture import Picture
from sakuga.media.probe import probe
from sakuga.settings import Limits, Settings
from tests.clips import read_number
from tests.enhance.given import BT709

SETTINGS = Settings()
FAST = EncodeSettings(quality=12, preset="ultrafast")
LAYOUT = PixelLayout(chroma="420", depth=8)


def form_of(size: tuple[int, int] = (96, 64), rate: Fraction = Fraction(24), **changes: Any) -> Form:  # noqa: ANN401
    """A form of this size and rate; `changes` are other fields of it."""
    fields: dict[str, Any] = {"layout": LAYOUT, "colour": BT709, "settings": FAST}
    return Form(width=size[0], height=size[1], rate=rate, **(fields | changes))


def footage_of(path: Path, rate: Fraction = Fraction(24), **scene: Any) -> Footage:  # noqa: ANN401
    """A clip as the footage of a scene with these fields; its digest is its name's."""
    wanted = Scene(clip=str(path), **scene)
    info = probe(path, Limits()).info
    return Footage(
        path=path,
        digest=path.name,
        info=info,
        scene=wanted,
        frames=scene_frames(wanted, info.video.duration, rate),
    )


def shown(footage: Footage, form: Form, first: int = 0, last: int | None = None) -> list[Picture]:
    """Pictures of a scene, all where no range is named."""
    end = footage.frames if last is None else last
    return list(pictures(footage, form, first, end, SETTINGS))


def numbers(frames: Iterable[Picture]) -> list[int]:
    """The source frames that pictures of a numbered clip show."""
    return [read_number(picture.planes[0]) for picture in frames]
