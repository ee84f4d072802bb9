"""What changes the file of an episode: a first one from a folder, and another clip for a scene."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from app.inputs import find_inputs
from sakuga.episode.draft import DraftClip, draft_clip, draft_episode, natural
from sakuga.episode.load import read_episode
from sakuga.episode.places import clip_info, is_address, name_of
from sakuga.episode.retake import retake_file, scene_number
from sakuga.episode.spec import MAX_TEXT, EpisodeSpec
from sakuga.episode.tree import plain, quoted
from sakuga.errors import OptionError
from sakuga.media.encode import beside, writing
from sakuga.settings import Limits, load_settings
from tasks.destination import MARK
from tasks.probing import VIDEO_SUFFIXES

FILE = "episode.yaml"


def write_first(folder: Path, output: Path | None, *, overwrite: bool) -> Iterator[str]:
    """Write the first file of an episode, and say what is in it.

    Args:
        folder: where the clips are.
        output: the file, or the folder for it; beside the clips where it is not given.
        overwrite: whether a file that is there may be replaced.

    Raises:
        OptionError: no clip can be used, or the file is there already or cannot be.
    """
    limits = load_settings().limits
    folder = folder.expanduser().absolute()
    found = _clips(folder)
    target = _target(folder, output, overwrite=overwrite)
    clips = [draft_clip(path, target.parent, limits) for path in found]
    text = draft_episode(clips, folder.resolve().name)
    part = beside(target)
    try:
        with writing(f"the file {plain(target.name)!r}", target.parent):
            part.write_text(text, encoding="utf-8", newline="\n")
            if target.exists() and not overwrite:
                raise _taken(target)
            part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    yield from _told(clips, target)


def _target(folder: Path, output: Path | None, *, overwrite: bool) -> Path:
    target = (output or folder).expanduser().absolute()
    target = target / FILE if target.is_dir() else target
    if target.suffix.lower() not in (".yaml", ".yml"):
        raise OptionError(f"A first file is YAML; {quoted(str(target), 200)} must end with .yaml.")
    if not target.parent.is_dir():
        raise OptionError(f"There is no folder {quoted(str(target.parent), 200)}; make it first.")
    if target.exists() and not overwrite:
        raise _taken(target)
    return target


def _taken(target: Path) -> OptionError:
    return OptionError(f"{quoted(str(target), 200)} already exists; choose another name, or add --overwrite.")


def _clips(folder: Path) -> list[Path]:
    """The videos of a folder as people count them; our own results only where nothing else is there."""
    if not folder.is_dir():
        raise OptionError(f"{quoted(str(folder), 200)} is not a folder; name the folder of the clips.")
    results = [
        path
        for path in folder.iterdir()
        if path.stem.endswith(MARK) and path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()
    ]
    try:
        found = [item.path for item in find_inputs([folder], recursive=False)]
    except OptionError as error:
        if not results:
            raise OptionError(
                f"There is no video in {quoted(str(folder), 200)}; name a folder of clips."
            ) from error
        found = results
    return sorted(found, key=lambda path: natural(path.name))


def _told(clips: list[DraftClip], target: Path) -> Iterator[str]:
    wrong = [clip for clip in clips if isinstance(clip.found, str)]
    count = len(clips) - len(wrong)
    yield f"{plain(str(target), 200)}: {count} scene{'' if count == 1 else 's'}"
    for clip in wrong:
        yield f"left out: {plain(clip.name, 200)}: {plain(str(clip.found), 300)}"
    yield "Change it as you like; `sakuga episode check` says whether it is right."


def retake_with(file: Path, scene: str, clip: str, notes: str) -> Iterator[str]:
    """Replace a scene's clip by one that was looked at, and say what was done.

    Raises:
        OptionError: the file is wrong, has no such scene, or the new clip cannot be used.
    """
    if len(notes) > MAX_TEXT:
        raise OptionError(f"The notes have {len(notes)} characters; at most {MAX_TEXT} are possible.")
    limits = load_settings().limits
    file = file.expanduser().absolute()
    spec = read_episode(file).spec
    told: list[str] = []
    if not is_address(clip):
        path = Path(clip).expanduser().absolute()
        if spec is not None:
            told = list(_fits(spec, scene, path, limits))
        # the file may be a link: its paths begin where it is, not where it leads
        clip = name_of(path, file.parent)
    done = retake_file(file, scene, clip, notes)
    yield f"{plain(done.name)}: {quoted(done.new, 200)} in place of {quoted(done.old, 200)}"
    yield from told


def _fits(spec: EpisodeSpec, scene: str, path: Path, limits: Limits) -> Iterator[str]:
    """Refuse a clip that cannot be used for a scene; what may surprise is given back."""
    info = clip_info(path, limits)
    if isinstance(info, str):
        raise OptionError(f"{info[:1].upper()}{info[1:]} Nothing was changed.")
    part = spec.scenes[scene_number(spec, scene)]
    length = info.video.duration
    if part.start >= length:
        raise OptionError(
            f"The scene begins at {_seconds(part.start)} of its clip, but {quoted(str(path), 200)} is only "
            f"{_seconds(length)} long; change the scene's `start` first."
        )
    if part.end is not None and part.end > length:
        yield f"note: the scene's `end` is {_seconds(part.end)}, but the new clip ends at {_seconds(length)}."


def _seconds(time: Fraction) -> str:
    return f"{float(time):.3f}".rstrip("0").rstrip(".") + " s"
