"""The plan of an episode: what is done about clips that cannot be used."""

from pathlib import Path

import pytest

from sakuga.episode.plan import Found, plan_episode
from sakuga.episode.spec import EpisodeSpec
from sakuga.errors import UnreadableMediaError
from sakuga.media.probe import probe
from sakuga.settings import Limits
from tests.clips import make_clip

LIMITS = Limits()
KEY = "season/gone.mp4"


def plan_of(folder: Path, choice: str) -> tuple[str, ...]:
    """Notes on an episode of one clip that is there, one of this machine that is not, and one of a store."""
    clip = make_clip(folder / "here.mp4", frames=12, size=(64, 48))
    lost = folder / "lost.mp4"
    spec = EpisodeSpec.model_validate(
        {"scenes": [{"clip": str(clip)}, {"clip": str(lost)}, {"clip": KEY}], "on_missing": choice}
    )
    found = Found(path=clip, digest="0" * 64, info=probe(clip, LIMITS).info)
    return plan_episode(spec, [found, f"There is no {str(lost)!r}.", f"There is no {KEY!r}."], LIMITS).notes


@pytest.mark.parametrize(("choice", "what"), [("skip", "was skipped"), ("placeholder", "is a placeholder")])
def test_notes_on_missing_clips_name_keys_but_no_folder_of_the_machine(
    choice: str, what: str, tmp_path: Path
) -> None:
    assert plan_of(tmp_path, choice) == (
        f"The scene 'scene-2' {what}: There is no 'lost.mp4'.",
        f"The scene 'scene-3' {what}: There is no 'season/gone.mp4'.",
    )


def test_all_missing_clips_are_named_by_where_they_should_be(tmp_path: Path) -> None:
    with pytest.raises(UnreadableMediaError) as refused:
        plan_of(tmp_path, "fail")
    assert str(refused.value) == (
        f"The clip of the scene 'scene-2' cannot be used: There is no '{tmp_path}/lost.mp4'. "
        "The clip of the scene 'scene-3' cannot be used: There is no 'season/gone.mp4'."
    )
