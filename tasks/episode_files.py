"""The file of an episode and those that it names beside its clips, which may all be in a store.

They are found before anything is fetched, so that all that are missing are named at once; what is fetched
lies in the run's folder under its own name and is used like a file of this machine.
"""

import posixpath
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from prefect import unmapped
from prefect.logging import get_run_logger

from blocks.files import local_errors
from sakuga.episode import captions, load, moods, titles
from sakuga.episode.places import located, located_in_store, missing, named_files, renamed
from sakuga.episode.plan import check_files
from sakuga.episode.spec import EpisodeSpec
from sakuga.episode.tree import Loc
from sakuga.episode.wording import where
from sakuga.errors import InputError, LimitError, SakugaError, UnreadableMediaError
from sakuga.media.info import Frozen
from sakuga.settings import load_settings
from tasks.channel import current_channel
from tasks.gather import gather
from tasks.job import Source
from tasks.retry import step
from tasks.source import Named, find_located, find_source, local_copy

LARGEST = {"font": titles.MAX_FONT_BYTES, "subtitles": captions.MAX_BYTES, "library": moods.MAX_BYTES}
"""Bytes of a file of each kind that is fetched at most; of the others it is the limit of sources."""


@dataclass(frozen=True)
class Opened:
    """An episode and where it was: a file of this machine, a key in the store, or neither."""

    spec: EpisodeSpec
    name: str
    file: Path | None = None
    key: str | None = None


class Found(Frozen):
    """An episode whose cues all name their file, and what of its files is in the store, by name."""

    spec: EpisodeSpec
    stored: dict[str, Named]


@dataclass
class EpisodeFiles:
    """The files of one run; what is fetched goes into its folder."""

    store: str | None
    folder: Path
    _names: dict[Path, str] = field(default_factory=dict)

    def open(self, episode: str | EpisodeSpec) -> Opened:
        """The episode: given whole, or as a file of this machine or of the store.

        Raises:
            InputError: there is no such file, or something in it is wrong.
            StoreError: the store does not give it.
        """
        current_channel().emit("stage", stage="read")
        if not isinstance(episode, str):
            return Opened(episode, episode.title)
        named = find_source(episode, self.store)
        if named.path:
            return Opened(load.load_episode(named.path), named.name, file=named.path)
        _refuse_large(named, load.MAX_BYTES)
        [path] = self._fetched("episode", {episode: named}).values()
        return Opened(load.load_episode(path), named.name, key=named.key)

    def located(self, spec: EpisodeSpec, opened: Opened) -> EpisodeSpec:
        """The episode with whole paths for files of this machine, and keys for those of the store."""
        if opened.file is None and self.store is not None:
            # the working folder of whoever runs this is nothing that an episode can mean
            return located_in_store(spec, posixpath.dirname(opened.key or ""))
        folder = opened.file.parent if opened.file else Path.cwd()
        return located(spec, folder, in_store=self.store is not None)

    def fetch(self, spec: EpisodeSpec) -> EpisodeSpec:
        """The episode, as `located`, with all its files but the clips on this machine.

        Raises:
            UnreadableMediaError: files are not there or cannot be used; all of them are named, and clips too.
            StoreError: the store does not give one.
            DiskFullError: there is no room for one.
        """
        library = self._own("library")
        self._names[library] = (spec.soundtrack.library or "").rstrip("/")
        found = find_files(spec, self.store, library)
        paths = self._fetched("file", found.stored)
        here = renamed(found.spec, lambda name: str(paths.get(name, name)), clips=False)
        # before the clips are fetched, and perhaps enhanced, which may take hours
        check_files(here, load_settings().limits)
        return here

    @contextmanager
    def named_in_errors(self) -> Iterator[None]:
        """Have errors name what was fetched as the episode does, not by where the run keeps it."""
        try:
            yield
        except SakugaError as error:
            error.args = tuple(
                _said(part, self._names) if isinstance(part, str) else part for part in error.args
            )
            raise

    def _fetched(self, what: str, stored: Mapping[str, Named]) -> dict[str, Path]:
        folders = [self._own(f"{what}-{index}") for index in range(len(stored))]
        futures = fetch_file.map(list(stored.values()), unmapped(self.store), folders)
        sources = gather(Source, futures, list(range(len(stored))), what="file") if stored else {}
        paths = {name: sources[index].path for index, name in enumerate(stored)}
        self._names |= {path: name for name, path in paths.items()}
        return paths

    def _own(self, name: str) -> Path:
        folder = self.folder / name
        with local_errors(folder):
            folder.mkdir(exist_ok=True)
        return folder


@contextmanager
def episode_files(store: str | None, folder: Path) -> Iterator[EpisodeFiles]:
    """The files of an episode for the time of its run.

    Args:
        store: the episode's media store block.
        folder: the run's own.
    """
    files = EpisodeFiles(store, folder)
    with files.named_in_errors():
        yield files


@step("find files")
def find_files(spec: EpisodeSpec, store: str | None, folder: Path) -> Found:
    """Where everything is that an episode names beside its clips; nothing but its list of moods is fetched.

    Args:
        spec: with whole paths, and keys or addresses in the store.
        store: the episode's media store block.
        folder: for the list of moods.

    Raises:
        UnreadableMediaError: files are missing, or cannot be used; all of them are named.
    """
    problems: dict[Loc, str] = {}
    try:
        spec = _with_moods(spec, store, folder)
    except InputError as error:
        problems["soundtrack", "library"] = str(error)
    stored: dict[str, Named] = {}
    for (kind, name), loc in _by_name(spec).items():
        current_channel().check()
        try:
            named = _present(name, store)
            _refuse_large(named, LARGEST.get(kind))
        except InputError as error:
            problems[loc] = str(error)
            continue
        if not named.path:
            stored[name] = named
    if problems:
        raise UnreadableMediaError(_refusal(spec, problems, store))
    if stored:
        get_run_logger().info("Files of the episode in the store: %d", len(stored))
    return Found(spec=spec, stored=stored)


@step("fetch file")
def fetch_file(named: Named, store: str | None, folder: Path) -> Source:
    """A file as one of this machine, which has its own name where it was copied into `folder`.

    Raises:
        StoreError: the store does not give it.
        DiskFullError: there is no room for it.
    """
    current_channel().check()
    source = local_copy(named, store, folder)
    if source.path.parent != folder:
        return source
    # the name tells the language of subtitles; a key holds no name that leads elsewhere
    target = folder / named.name
    with local_errors(target):
        return source.model_copy(update={"path": source.path.rename(target)})


def _with_moods(spec: EpisodeSpec, store: str | None, folder: Path) -> EpisodeSpec:
    """The episode with files of a library in the store in place of their moods."""
    sound = spec.soundtrack
    if not sound.library or Path(sound.library).is_absolute() or not any(cue.mood for cue in sound.music):
        return spec
    prefix = sound.library.rstrip("/")
    page = _present(f"{prefix}/{moods.MOODS}", store)
    _refuse_large(page, LARGEST["library"])
    library = fetch_file.fn(page, store, folder).path.parent
    chosen = moods.music_files(sound.model_copy(update={"library": str(library)}))
    music = tuple(
        cue.model_copy(update={"file": f"{prefix}/{path.relative_to(library).as_posix()}", "mood": None})
        if cue.mood
        else cue
        for cue, path in zip(sound.music, chosen, strict=True)
    )
    return spec.model_copy(update={"soundtrack": sound.model_copy(update={"library": None, "music": music})})


def _by_name(spec: EpisodeSpec) -> dict[tuple[str, str], Loc]:
    """Each file once for each kind that it is, with the first place where it is named."""
    found: dict[tuple[str, str], Loc] = {}
    for loc, name in named_files(spec):
        found.setdefault((str(loc[-1]), name), loc)
    return found


def _present(name: str, store: str | None) -> Named:
    """Where a file is that was looked at, at least from outside."""
    named = find_located(name, store)
    if named.path and (wrong := missing(named.path)):
        raise UnreadableMediaError(wrong)
    return named


def _refuse_large(named: Named, most: int | None) -> None:
    if most is not None and named.size > most:
        raise LimitError(
            f"{named.name!r} has {named.size} bytes; at most {most} are allowed for such a file."
        )


def _refusal(spec: EpisodeSpec, problems: Mapping[Loc, str], store: str | None) -> str:
    told = [
        f"The {loc[-1]} of {where(loc[:-1], spec.names)} cannot be used: {why}"
        for loc, why in problems.items()
    ]
    clips = {scene.clip: name for name, scene in zip(spec.names, spec.scenes, strict=True)}
    for clip, name in clips.items() if spec.on_missing == "fail" else ():
        try:
            _present(clip, store)
        except InputError as error:
            told.append(f"The clip of the scene {name!r} cannot be used: {error}")
    return " ".join(told)


def _said(text: str, names: Mapping[Path, str]) -> str:
    for path, name in names.items():
        text = text.replace(repr(str(path)), repr(name)).replace(str(path), name)
    return text
