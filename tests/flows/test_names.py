import subprocess
import sys
from fractions import Fraction
from typing import Any

import pytest

from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.ref import MediaRef
from tasks.names import LONGEST, episode_name, job_name, source_name, unit_name

REF = MediaRef(uri="media/incoming/clip.mkv", sha256="ab" * 32, size=9)


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"source": "/videos/incoming/clip.mp4"}, "enhance clip.mp4 (2x) from incoming"),
        ({"source": "/clip.mp4", "spec": EnhanceSpec(height=1080)}, "enhance clip.mp4 (1080p) from /"),
        ({"source": "/a/clip.mp4", "spec": {"scale": "3/2"}}, "enhance clip.mp4 (1.5x) from a"),
        (
            {"source": "/a/clip.mp4", "spec": EnhanceSpec(fps=Fraction(60000, 1001))},
            "enhance clip.mp4 (2x, 59.94 fps) from a",
        ),
        ({"source": "/a/clip.mp4", "spec": {"scale": "1/0"}}, "enhance clip.mp4 (1/0x) from a"),
        (
            {"source": REF, "store": "sakuga-s3-store/farm"},
            "enhance clip.mkv (2x) from farm/incoming",
        ),
        (
            {"source": REF.model_dump(), "store": "sakuga-s3-store/farm"},
            "enhance clip.mkv (2x) from farm/incoming",
        ),
        (
            {"source": "s3://farm/media/in/clip.mkv", "store": "sakuga-s3-store/one"},
            "enhance clip.mkv (2x) from farm",
        ),
        ({"source": "s3://[", "store": "sakuga-s3-store/one"}, "enhance [ (2x) from ["),
        (
            {"source": "media/in/clip.mkv", "store": "sakuga-s3-store/farm"},
            "enhance clip.mkv (2x) from farm/in",
        ),
        ({"source": "clip.mkv", "store": "sakuga-s3-store/farm"}, "enhance clip.mkv (2x) from farm"),
        ({"source": "/a/clip.mp4", "store": "sakuga-s3-store/farm"}, "enhance clip.mp4 (2x) from a"),
        ({"source": REF}, "enhance clip.mkv (2x) from this machine's store/incoming"),
        ({}, "enhance video (2x) from /"),
    ],
)
def test_a_job_is_named_by_what_it_does_and_where_its_source_is(
    parameters: dict[str, Any], name: str
) -> None:
    assert job_name(parameters) == name


@pytest.mark.parametrize(
    ("chunks", "name"),
    [
        ([12, 13, 14], "clip.mp4 chunks 12-14"),
        ([7], "clip.mp4 chunk 7"),
        ([4, 1, 2, 9], "clip.mp4 chunks 1-2, 4, 9"),
        ([1, 3, 5, 7, 9], "clip.mp4 5 chunks of 1-9"),
        ([], "clip.mp4 chunks none"),
    ],
)
def test_a_unit_is_named_by_its_chunks(chunks: list[int], name: str) -> None:
    assert unit_name("clip.mp4", chunks) == name


def test_an_episode_is_named_by_its_file_and_where_that_is() -> None:
    key = {"episode": "season-1/pilot.yaml", "store": "sakuga-s3-store/films"}
    assert episode_name(key) == "episode pilot.yaml from films/season-1"
    assert episode_name(key | {"episode": "/a/b/pilot.yaml"}) == "episode pilot.yaml from b"
    assert episode_name({"episode": {"title": "The way home"}}) == "episode The way home"


def test_a_unit_of_segments_says_so() -> None:
    assert unit_name("Pilot", [3, 4], "segment") == "Pilot segments 3-4"
    assert unit_name("Pilot", [3], "segment") == "Pilot segment 3"


def test_no_file_name_breaks_a_list_of_runs() -> None:
    assert "\n" not in job_name({"source": "/a/two\nlines.mp4"})
    long = source_name(f"/a/{'x' * 300}.mp4")
    assert len(long) <= LONGEST
    assert long.endswith(".mp4")


def test_names_are_made_without_prefect() -> None:
    code = "import sys, tasks.names; sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
