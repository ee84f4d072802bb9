"""Inputs of the command line: found, and checked before anything is started."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.already import finished_before
from app.server import configured_server
from sakuga.enhance.planner import check_request
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import OptionError, SakugaError
from sakuga.media.codecs import require_encoder
from sakuga.media.ffmpeg import ffmpeg_path
from sakuga.models.between import check_rife
from sakuga.models.registry import check_checkpoint, check_model, model_digest
from sakuga.models.weights import check_source
from sakuga.quality.report import JobReport
from sakuga.settings import Settings
from tasks.destination import Destination, choose_destination, is_result
from tasks.probing import VIDEO_SUFFIXES, probe_once


@dataclass(frozen=True)
class Item:
    """A source that was named, or found in a folder; `below` is its folder inside the named one."""

    path: Path
    below: Path = Path()


def find_inputs(inputs: Sequence[Path], *, recursive: bool) -> list[Item]:
    """The sources in the order they were named; of a folder its videos by name, without our own results.

    Raises:
        OptionError: a folder holds no video.
    """
    items: list[Item] = []
    for given in inputs:
        path = given.expanduser().absolute()
        if not path.is_dir():
            items.append(Item(path))
            continue
        found = [Item(file, file.parent.relative_to(path)) for file in _videos(path, recursive)]
        if not found:
            raise OptionError(f"The folder {str(given)!r} holds no video; name the files themselves.")
        items += found
    return list(dict.fromkeys(items))


def _videos(folder: Path, recursive: bool) -> Iterator[Path]:
    for path in sorted(folder.rglob("*") if recursive else folder.iterdir()):
        hidden = path.name.startswith(".")
        if path.suffix.lower() in VIDEO_SUFFIXES and not hidden and not is_result(path) and path.is_file():
            yield path


def check_options(spec: EnhanceSpec, settings: Settings, *, on_pool: bool = False) -> None:
    """Refuse what this machine cannot do, whatever the source.

    Args:
        spec: what is asked for.
        settings: of this machine.
        on_pool: other machines run the model and the encoder, so only what is wrong everywhere is refused.

    Raises:
        OptionError: there is no such model.
        MissingToolError: ffmpeg, the encoder, or what the model needs is not here.
        WeightsError: a checkpoint is not what it should be.
    """
    if on_pool:
        model_digest(spec.model_choice())
        ffmpeg_path(settings)
        return
    check_model(spec.model_choice())
    check_checkpoint(spec.model_choice())
    if spec.interpolation == "rife":
        check_rife(spec.device)
    require_encoder(spec.codec, spec.hardware)
    ffmpeg_path(settings)


def check_dispatch(dispatch: str | None) -> None:
    """Refuse to spread jobs over a work pool where there is no server that could have one.

    Raises:
        OptionError: that is what was asked for.
    """
    if dispatch == "pool" and configured_server() is None:
        raise OptionError(
            "--dispatch pool needs the Prefect server of a farm; set PREFECT_API_URL to its address."
        )


def check_item(
    item: Item,
    spec: EnhanceSpec,
    settings: Settings,
    output: str | None,
    store: str | None,
    overwrite: bool,
    *,
    on_pool: bool = False,
) -> tuple[Destination, JobReport | None]:
    """Refuse a source that cannot be enhanced, from its packets alone, and say where its result goes.

    With `on_pool` it is for other machines to have the weights.

    Returns:
        Where the result goes, and the report of the result that the same job has left there, if it has.

    Raises:
        InputError: the source, an option or the name of the result is not acceptable, or weights are damaged.
        DownloadError: weights are neither here nor in the mirror, which is a folder.
    """
    probed = probe_once(item.path, settings.limits, salvage=spec.salvage)
    check_request(probed.info, spec, settings.limits)
    where, in_store = place_of(item, output), store is not None
    name, container = item.path.name, spec.container
    place = choose_destination(item.path, name, container, where, in_store=in_store, overwrite=True)
    if not overwrite:
        if report := finished_before(place, item.path, spec):
            return place, report
        choose_destination(item.path, name, container, where, in_store=in_store, overwrite=False)
    for card in () if on_pool else spec.downloads():
        check_source(card, settings)
    return place, None


def place_of(item: Item, output: str | None) -> str | None:
    """The output as it was given, with the source's own folder below it."""
    if output is None or item.below == Path():
        return output
    return f"{Path(output) / item.below}/"


def check_single_output(items: Sequence[Item], output: str | None) -> None:
    """Refuse one file as the result of several sources.

    Raises:
        OptionError: that is what was asked for.
    """
    if output and len(items) > 1 and Path(output).suffix and not Path(output).is_dir() and output[-1] != "/":
        raise OptionError(f"{output!r} is one file, but there are {len(items)} sources; name a folder.")


def explain(error: BaseException) -> str:
    """One sentence for a person."""
    if isinstance(error, SakugaError):
        notes = getattr(error, "__notes__", [])
        return " ".join([str(error), *notes])
    return f"Something unexpected went wrong ({type(error).__name__}: {error}); the log tells more."
