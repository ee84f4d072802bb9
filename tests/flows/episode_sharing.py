"""An episode that is planned and shared the way a run on a work pool does it, for tests of what follows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont
from prefect import flow

from flows.episode_parts import segment_work
from sakuga.episode.spec import EpisodeSpec
from tasks.clips import Clip, fetch_clip, folders_for
from tasks.episode import EpisodeJob, find_parts, plan_scenes
from tasks.progress import Progress
from tests.clips import make_clip, numbered

SIZE = (64, 48)
FRAMES = 24
CLIPS = ("one", "two", "three")
SEGMENTS = 7
"""Of three scenes with two crossfades: a title's end cuts the first one in two, and credits follow."""

CREDITS = 6


def numbered_clip(path: Path, first: int, size: tuple[int, int] = SIZE) -> Path:
    """A second of frames that say `first`, `first + 1`, ... to `read_number`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return make_clip(
        path,
        frames=FRAMES,
        size=size,
        audio_seconds=1,
        draw=lambda number, width, height: numbered(first + number, width, height),
        options={"g": "250", "sc_threshold": "0", "bf": "0"},
    )


def make_show(folder: Path) -> EpisodeSpec:
    """An episode with everything that a segment may need: clips, one that is missing, a font, credits."""
    for number, name in enumerate(CLIPS):
        numbered_clip(folder / f"{name}.mp4", 100 * number)
    font = ImageFont.load_default(20)
    assert isinstance(font, FreeTypeFont)
    (folder / "our own.ttf").write_bytes(font.font_bytes)
    own = str(folder / "our own.ttf")
    title = {"text": "Hi", "seconds": 0.25, "fade": 0, "font": own}
    return EpisodeSpec.model_validate(
        {
            "title": "Three",
            "transition": {"kind": "crossfade", "seconds": 0.25},
            "scenes": [
                {"clip": str(folder / "one.mp4"), "titles": [title]},
                {"clip": str(folder / "two.mp4")},
                {"clip": str(folder / "three.mp4")},
            ],
            "credits": {"lines": ["Ada"], "seconds": CREDITS / FRAMES, "font": own},
            "output": {"preset": "ultrafast", "quality": 12},
        }
    )


@flow(name="share episode", persist_result=False)
def planned_and_shared(
    spec: EpisodeSpec, folder: Path, job_id: str, store: str | None = None, segments: list[int] | None = None
) -> EpisodeJob:
    """Plan an episode and share what its segments need, or some of them."""
    places = folders_for((scene.clip for scene in spec.scenes), folder)
    clips = {name: fetch_clip(name, store, place) for name, place in places.items()}
    job = plan_scenes(spec, clips, store, folder)
    find_parts(job)
    sources = {clip.source.sha256: clip.source for clip in clips.values() if isinstance(clip, Clip)}
    wanted = list(range(SEGMENTS)) if segments is None else segments
    segment_work(job, wanted, sources, Progress("render", 1)).share(job_id)
    return job


def changed(spec: EpisodeSpec, **fields: Any) -> EpisodeSpec:  # noqa: ANN401 - passed on
    """The episode with other values."""
    given: Mapping[str, Any] = spec.model_dump(mode="json") | fields
    return EpisodeSpec.model_validate(given)
