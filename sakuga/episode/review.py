"""The file of an episode and the files that it names: everything that is wrong, before any work."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from sakuga.enhance.geometry import geometry
from sakuga.enhance.planner import check_request
from sakuga.episode.captions import read_captions
from sakuga.episode.form import Form, choose_form
from sakuga.episode.load import EpisodeFile
from sakuga.episode.moods import read_moods, soundtrack_problems
from sakuga.episode.places import clip_info, is_address, located, missing, named_files
from sakuga.episode.spec import EpisodeSpec, Soundtrack
from sakuga.episode.timeline import Timeline, lay_out, timing_problems
from sakuga.episode.titles import text_problems
from sakuga.episode.tree import Loc, Problem, quoted
from sakuga.episode.values import stands_in
from sakuga.errors import InputError, OptionError
from sakuga.media.info import MediaInfo
from sakuga.settings import Limits

Finding = tuple[Loc, str]


@dataclass(frozen=True)
class Review:
    """What was found: `problems` keep the episode from being made, `notes` do not.

    `form` and `timeline` are what it would be; None where it cannot be known.
    """

    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]
    form: Form | None = None
    timeline: Timeline | None = None


def review(
    file: EpisodeFile, limits: Limits, poll: Callable[[], None] | None = None, *, in_store: bool = False
) -> Review:
    """Look at everything that an episode's file names, and lay the episode out.

    Args:
        file: as it was read; what is wrong in it is part of the result.
        limits: what clips may be at most.
        poll: called before each clip; it may raise to stop.
        in_store: names of no files of this machine are keys in a store, which is not asked.
    """
    if file.readable is None:
        return Review(file.problems, ())
    spec = located(file.readable, file.folder, in_store=in_store)
    infos, unusable = _probed(spec, limits, poll)
    problems, notes = [*_files(spec, limits)], [*_addresses(spec)]
    (problems if spec.on_missing == "fail" else notes).extend(_with_choice(unusable, spec))
    form, line = None, None
    if file.spec is not None and not unusable and len(infos) == len(spec.scenes):
        known = [infos[index] for index in range(len(spec.scenes))]
        known, refused = _after_enhance(spec, known, limits)
        problems += refused
        form, line, found, told = _laid_out(spec, known, limits)
        problems += found
        notes += told
    said = tuple(file.problem(loc, message) for loc, message in problems)
    ordered = tuple(sorted(dict.fromkeys(file.problems + said), key=_place))
    told_all = tuple(sorted((file.problem(loc, message) for loc, message in notes), key=_place))
    return Review(ordered, told_all, form, line if not ordered else None)


def _place(problem: Problem) -> tuple[int, int]:
    return problem.line, problem.column


def _probed(
    spec: EpisodeSpec, limits: Limits, poll: Callable[[], None] | None
) -> tuple[dict[int, MediaInfo], list[Finding]]:
    """What each scene's clip holds, looked at once, and those that cannot be used."""
    infos: dict[int, MediaInfo] = {}
    unusable: list[Finding] = []
    seen: dict[str, MediaInfo | str] = {}
    for index, scene in enumerate(spec.scenes):
        if _elsewhere(scene.clip):
            continue
        if poll:
            poll()
        if scene.clip not in seen:
            seen[scene.clip] = clip_info(Path(scene.clip), limits)
        found = seen[scene.clip]
        if isinstance(found, str):
            unusable.append((("scenes", index, "clip"), found))
        else:
            infos[index] = found
    return infos, unusable


def _with_choice(unusable: list[Finding], spec: EpisodeSpec) -> Iterator[Finding]:
    after = {"fail": "", "skip": " The scene is left out.", "placeholder": " A placeholder takes its place."}
    for loc, message in unusable:
        yield loc, message + after[spec.on_missing]


def _addresses(spec: EpisodeSpec) -> Iterator[Finding]:
    """Names that were not looked at, as they are those of a store."""
    clips = [(("scenes", index, "clip"), scene.clip) for index, scene in enumerate(spec.scenes)]
    library = spec.soundtrack.library
    others = [*named_files(spec), *([(("soundtrack", "library"), library)] if library else [])]
    for loc, name in [*clips, *others]:
        if _in_store(name) and not stands_in(name):
            yield loc, f"{quoted(name)} is in a store and was not looked at."


def _files(spec: EpisodeSpec, limits: Limits) -> Iterator[Finding]:
    """Files beside the clips that are not there or cannot be used."""
    for index, scene in enumerate(spec.scenes):
        if wrong := _subtitles_problem(scene.subtitles):
            yield ("scenes", index, "subtitles"), wrong
    library = spec.soundtrack.library
    if library and _elsewhere(library):
        spec = spec.model_copy(update={"soundtrack": _without_moods(spec.soundtrack, library)})
    found = text_problems(spec)
    try:
        found |= soundtrack_problems(spec.soundtrack, limits)
    except InputError as error:
        found["soundtrack",] = str(error)
    if library and not _elsewhere(library) and not any(cue.mood for cue in spec.soundtrack.music):
        try:
            read_moods(Path(library))
        except OptionError as error:
            found["soundtrack", "library"] = str(error)
    elsewhere = {loc for loc, name in named_files(spec) if _elsewhere(name)}
    yield from ((loc, wrong) for loc, wrong in found.items() if loc not in elsewhere)


def _without_moods(sound: Soundtrack, library: str) -> Soundtrack:
    """The soundtrack with the library in place of the files that only the library can tell."""
    music = (
        cue.model_copy(update={"file": library, "mood": None}) if cue.mood else cue for cue in sound.music
    )
    return sound.model_copy(update={"music": tuple(music)})


def _subtitles_problem(name: str | None) -> str | None:
    if not name or _elsewhere(name):
        return None
    try:
        read_captions(Path(name))
    except InputError as error:
        return missing(Path(name)) or str(error)
    return None


def _in_store(name: str) -> bool:
    """Whether a name, as `located` gives it, is an address or a key."""
    return is_address(name) or not Path(name).is_absolute()


def _elsewhere(name: str) -> bool:
    """Whether a name is that of nothing on this machine."""
    return _in_store(name) or stands_in(Path(name).name)


def _after_enhance(
    spec: EpisodeSpec, infos: list[MediaInfo], limits: Limits
) -> tuple[list[MediaInfo], list[Finding]]:
    """What the clips will hold once they went through `enhance`, and those that it refuses."""
    asked = spec.enhance
    if asked is None:
        return infos, []
    found: list[MediaInfo] = []
    refused: list[Finding] = []
    for index, info in enumerate(infos):
        try:
            check_request(info, asked, limits)
            width, height = geometry(info.video, asked, limits).output
        except InputError as error:
            refused.append((("scenes", index, "clip"), str(error)))
            found.append(info)
            continue
        made = {"width": width, "height": height, "sar": Fraction(1), "rotation": 0, "hdr": None}
        rate = {"frame_rate": asked.fps, "constant_rate": True} if asked.fps else {}
        found.append(info.model_copy(update={"video": info.video.model_copy(update=made | rate)}))
    return found, refused


def _laid_out(
    spec: EpisodeSpec, infos: list[MediaInfo], limits: Limits
) -> tuple[Form | None, Timeline | None, list[Finding], list[Finding]]:
    """Form and timeline, with what is wrong and what is strange about them."""
    try:
        form = choose_form(spec, infos)
    except OptionError as error:
        return None, None, [(("output",), str(error))], []
    durations = [info.video.duration for info in infos]
    wrong: list[Finding] = [
        (("scenes", index), message) for index, message in timing_problems(spec, durations, form.rate).items()
    ]
    if wrong:
        return form, None, wrong, []
    line = lay_out(spec, durations, form.rate)
    if line.frames > limits.max_frames:
        long = f"the episode would have {line.frames} frames, more than the limit of {limits.max_frames}."
        wrong.append((("scenes",), f"{long} (SAKUGA_LIMITS__MAX_FRAMES)"))
    return form, line, wrong, [*_strange(spec, durations, line)]


def _strange(spec: EpisodeSpec, durations: list[Fraction], line: Timeline) -> Iterator[Finding]:
    """What can be done, but is hardly meant: things at times that there are not."""
    lengths = {placed.name: placed.frames / line.rate for placed in line.scenes}
    for index, (scene, placed, duration) in enumerate(zip(spec.scenes, line.scenes, durations, strict=True)):
        loc: Loc = ("scenes", index)
        length = lengths[placed.name]
        if scene.end is not None and scene.end > duration:
            yield (*loc, "end"), f"the clip ends earlier, at {_seconds(duration)}."
        for number, title in enumerate(scene.titles):
            if title.at >= length:
                yield (*loc, "titles", number, "at"), f"the scene ends before it, at {_seconds(length)}."
        for mark, time in scene.marks.items():
            if time > length:
                yield (*loc, "marks", mark), f"the scene ends before it, at {_seconds(length)}."
    yield from _late(spec, line)


def _late(spec: EpisodeSpec, line: Timeline) -> Iterator[Finding]:
    begins = {placed.name: line.time(placed.first) for placed in line.scenes}
    marks = {name: scene.marks for name, scene in zip(spec.names, spec.scenes, strict=True)}
    after = f"the episode ends before it, at {_seconds(line.duration)}."
    for index, cue in enumerate(spec.soundtrack.music):
        if begins.get(cue.scene or "", Fraction(0)) + cue.start >= line.duration:
            yield ("soundtrack", "music", index, "start"), after
    for index, effect in enumerate(spec.soundtrack.effects):
        mark = marks.get(effect.scene or "", {}).get(effect.mark or "", Fraction(0))
        if begins.get(effect.scene or "", Fraction(0)) + mark + effect.at >= line.duration:
            yield ("soundtrack", "effects", index, "at"), after
    if spec.output.cover is not None and spec.output.cover >= line.duration:
        yield ("output", "cover"), after


def _seconds(time: Fraction) -> str:
    return f"{float(time):.3f}".rstrip("0").rstrip(".") + " s"
