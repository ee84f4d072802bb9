"""A first file of an episode, written from a folder of clips, with comments that say what else there is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sakuga.episode.load import parse_episode, refusal
from sakuga.episode.places import clip_info, name_of
from sakuga.episode.quoting import scalar
from sakuga.episode.spec import MAX_SCENES
from sakuga.errors import ContractError, OptionError
from sakuga.media.info import MediaInfo
from sakuga.settings import Limits

MAX_ID = 40
MAX_TITLE = 100

_DIGITS = re.compile(r"([0-9]+)")
_SEPARATORS = re.compile(r"[\s_]+|(?<=\S)-(?=\S)|\.(?=\S)")
_NUMBERING = re.compile(r"^[0-9]+[ -]+(?=.*[^\W\d_]{2})")

HEAD = """\
# An episode. `sakuga episode check` says what is wrong with this file, and how long the episode is.
# Paths begin in the folder of this file. Times are seconds (2.5, 7/2) or 1:30 or 1:02:03.5.
"""

BETWEEN = """
# Between scenes: cut, crossfade, fade-black, fade-white, wipe, slide or zoom. For all but a cut both scenes
# are there for so many `seconds`. A scene may have a `transition:` of its own, into the next scene.
transition:
  kind: cut
  # seconds: 0.5

# In order. Each is a whole clip, or a part of it. What else a scene can have:
#   start: 1.5             where in the clip it begins, and `end`
#   speed: 2               twice as fast
#   fit: fill              crop other shapes in place of adding bars
#   gain: -3               decibels on its sound; `mute: true` leaves it out
#   titles:                text over it
#     - {text: "Words", at: 1, seconds: 3, place: lower-third}
#   subtitles: words.srt   in the clip's time
scenes:
"""

TAIL = """
# soundtrack:
#   music:
#     - {file: music.mp3, loop: true, gain: -8, duck: 10}   # `duck`: decibels down under speech
#   effects:
#     - {file: door.wav, scene: NAME, at: 2}

# credits:
#   lines: ["Written by ...", "Drawn by ..."]
#   seconds: 8

# Size and frame rate are the most frequent of the clips where they are not given here.
output:
  # width: 1280
  # height: 720
  # fps: 24
  loudness: -14   # LUFS: -14 for streaming, -23 for broadcast
"""


@dataclass(frozen=True)
class DraftClip:
    """A clip of a draft: its name as the file will hold it, and what it holds or why it cannot be used."""

    name: str
    found: MediaInfo | str


def draft_clip(clip: Path, folder: Path, limits: Limits) -> DraftClip:
    """Look at a clip for a draft whose file will be in `folder`."""
    name = name_of(clip, folder)
    try:
        name.encode()
    except UnicodeEncodeError:
        return DraftClip(name, "its name is not UTF-8; rename it.")
    found = clip_info(clip, limits)
    return DraftClip(name, found.replace(str(clip), "it", 1) if isinstance(found, str) else found)


def natural(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """A key that sorts names as people count: `scene 2` before `scene 10`."""
    parts = _DIGITS.split(name.casefold())
    # split gives text and digits in turn
    return tuple((1, int(part), "") if index % 2 else (0, 0, part) for index, part in enumerate(parts)), name


def draft_episode(clips: Sequence[DraftClip], title: str) -> str:
    """The text of a first file: YAML, valid, a scene for each clip that can be used, in the order given.

    Clips that cannot be used stand in it as comments, with the reason.

    Raises:
        OptionError: none can be used, or there are more than an episode can have.
    """
    usable = [clip for clip in clips if isinstance(clip.found, MediaInfo)]
    if not usable:
        raise OptionError("None of the clips can be used: " + " ".join(str(clip.found) for clip in clips[:5]))
    if len(usable) > MAX_SCENES:
        raise OptionError(f"There are {len(usable)} clips; an episode has at most {MAX_SCENES} scenes.")
    # names that scenes without one have by their numbers
    taken = {f"scene-{number}" for number, clip in enumerate(usable, 1) if not _base(_words(clip.name))}
    lines: list[str] = []
    for clip in clips:
        if isinstance(clip.found, MediaInfo):
            lines += _scene(clip.name, clip.found, taken)
        else:
            lines.append(f"  # left out: {_comment(clip.name)}: {_comment(clip.found)}")
    text = (
        f"{HEAD}\ntitle: {scalar(title_of(title) or 'Episode')}\n{BETWEEN}" + "\n".join(lines) + "\n" + TAIL
    )
    made = parse_episode(text, Path("episode.yaml"))
    if made.spec is None or [scene.clip for scene in made.spec.scenes] != [clip.name for clip in usable]:
        raise ContractError(f"The draft of the episode is not right: {refusal(made.path, made.problems)}")
    return text


def _scene(name: str, info: MediaInfo, taken: set[str]) -> list[str]:
    lines = [f"  - clip: {scalar(name)}   # {facts(info)}"]
    words = _words(name)
    if identity := _id(words, taken):
        lines.append(f"    id: {scalar(identity)}")
    if words:
        lines.append(f"    title: {scalar(words)}")
    return lines


def _id(words: str, taken: set[str]) -> str:
    """A name for a scene that no other has; empty where no word of its title can be in one."""
    base = _base(words)
    if not base:
        return ""
    number, name = 1, base
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    taken.add(name)
    return name


def _words(name: str) -> str:
    """What the name of a clip says."""
    return title_of(Path(name).stem.removesuffix(".sakuga"))


def _base(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:MAX_ID].strip("-")


def title_of(stem: str) -> str:
    """What a clip's name says, for people: without numbering and separators; empty where nothing is left."""
    printable = "".join(letter if letter.isprintable() else " " for letter in stem)
    words = " ".join(_SEPARATORS.sub(" ", printable).split())
    words = _NUMBERING.sub("", words)[:MAX_TITLE].strip()
    return words[:1].upper() + words[1:]


def facts(info: MediaInfo) -> str:
    """What a clip is, in a few words: size, rate, length, sound."""
    video = info.video
    rate = f"{float(video.frame_rate):.3f}".rstrip("0").rstrip(".")
    parts = [f"{video.width}x{video.height}", f"{rate} fps", f"{float(video.duration):.1f} s"]
    return ", ".join(parts if info.audio else [*parts, "no sound"])


def _comment(text: str) -> str:
    """Text that stays in its comment."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
