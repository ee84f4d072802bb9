"""What a machine accepts whose chunks are made by others, without what only those others have."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.inputs import Item, check_item, check_options
from sakuga.enhance.key import chunk_key
from sakuga.enhance.planner import make_plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import DownloadError, OptionError
from sakuga.media.probe import probe
from sakuga.media.timing import progressive_track
from sakuga.settings import load_settings
from tests.clips import make_clip

pytestmark = pytest.mark.usefixtures("sakuga_home")

SPEC = EnhanceSpec(
    model="realesr-animevideov3", fps=48, interpolation="rife", codec="hevc", hardware="nvenc", device="cuda"
)
WITHOUT_TORCH = """
import sys
for name in ("torch", "openvino", "spandrel"):
    sys.modules[name] = None
from pathlib import Path
from app.inputs import check_options
from sakuga.errors import MissingToolError
from sakuga.settings import load_settings
from tests.app.test_pool_inputs import SPEC, keys

check_options(SPEC, load_settings(), on_pool=True)
try:
    check_options(SPEC, load_settings())
except MissingToolError:
    print(*keys(Path(sys.argv[1])))
"""


def keys(clip: Path) -> list[str]:
    """Keys of all chunks of a clip."""
    settings = load_settings()
    found = probe(clip, settings.limits)
    track = progressive_track(found.info.video, found.packets)
    plan = make_plan(found.info, found.packets, track, SPEC, settings.limits)
    return [chunk_key("ab" * 32, found.info, plan, chunk, SPEC) for chunk in plan.chunks]


def test_without_pytorch_a_network_is_accepted_for_the_pool_and_its_chunks_have_the_same_keys(
    tmp_path: Path,
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=6, size=(48, 40))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(clip)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == keys(clip) != []


@pytest.mark.parametrize("change", [{"model": "no-such-model"}, {"denoise": 0.5}])
def test_what_is_wrong_on_every_machine_is_refused_for_the_pool_too(change: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        check_options(SPEC.model_copy(update=change), load_settings(), on_pool=True)


def test_weights_that_are_not_here_are_asked_for_only_where_chunks_are_made_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("SAKUGA_MODEL_MIRROR", str(tmp_path / "empty"))
    item = Item(make_clip(tmp_path / "clip.mp4", frames=6, size=(48, 40)))
    place, _ = check_item(item, SPEC, load_settings(), None, None, overwrite=False, on_pool=True)
    assert place.name == "clip.sakuga.mp4"
    with pytest.raises(DownloadError):
        check_item(item, SPEC, load_settings(), None, None, overwrite=False)
