"""Which models there are, and which of them can run on this machine as it is."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec

from sakuga.errors import OptionError
from sakuga.media.info import Frozen
from sakuga.models.base import ModelCard
from sakuga.models.cards import DOWNLOADS, INSTALL, RIFE
from sakuga.models.registry import model_cards
from sakuga.models.weights import State, weights_path, weights_state
from sakuga.settings import Settings


class FileHere(Frozen):
    """A file of weights; `bytes` is None where its authors do not say."""

    name: str
    path: str
    state: State
    bytes: int | None


class ModelHere(Frozen):
    """A model as this machine has it.

    Attributes:
        scale: factor of one pass, None where it does not upscale.
        state: `built in`, or of all its files together.
        runs: whether what runs it is installed.
    """

    name: str
    scale: int | None
    good_for: str
    purpose: str
    licence: str
    architecture: str
    state: str
    runs: bool
    files: tuple[FileHere, ...]


def torch_here() -> bool:
    """Whether PyTorch is installed; it is not imported, as that takes seconds."""
    return find_spec("torch") is not None


def listing(settings: Settings) -> list[ModelHere]:
    """Every model, those that come with the installation first."""
    torch = torch_here()
    return [_here(card, settings, torch) for card in (*model_cards(), RIFE)]


def _here(card: ModelCard, settings: Settings, torch: bool) -> ModelHere:
    files = tuple(
        FileHere(
            name=file.name,
            path=str(weights_path(file, settings)),
            state=weights_state(file, settings),
            bytes=file.size,
        )
        for file in card.weights
    )
    return ModelHere(
        name=card.name,
        scale=None if card is RIFE else card.scale,
        good_for=card.domain,
        purpose=card.purpose,
        licence=card.licence,
        architecture=card.architecture,
        state=_together({file.state for file in files}),
        runs=torch or not card.weights,
        files=files,
    )


def _together(states: set[State]) -> str:
    if not states:
        return "built in"
    if "damaged" in states:
        return "damaged"
    return "incomplete" if len(states) > 1 else next(iter(states))


def listing_lines(found: Sequence[ModelHere], settings: Settings) -> Iterator[str]:
    """The models as a table for people, and what has to be done to run those that cannot be."""
    width = max(len(model.name) for model in found) + 2
    yield f"{'MODEL':<{width}}SCALE  FOR    LICENCE       SIZE      WEIGHTS"
    for model in found:
        scale = {None: "-", 1: "any"}.get(model.scale, f"{model.scale}x")
        yield (
            f"{model.name:<{width}}{scale:<7}{model.good_for:<7}{model.licence:<14}{_size(model):<10}"
            f"{model.state}"
        )
        yield f"    {model.purpose}"
    yield ""
    yield f"Weights lie in {settings.models_root}, and are downloaded when a model is first used."
    if settings.model_mirror:
        yield f"They are taken from {settings.model_mirror}."
    if any(model.state == "damaged" for model in found):
        yield "What is damaged is replaced by: sakuga models fetch NAME."
    if not all(model.runs for model in found):
        yield f"Only models that are built in can run here, for PyTorch is not installed; {INSTALL}."


def megabytes(size: int | None) -> str:
    """A size for people."""
    return f"{size / 1e6:.1f} MB" if size else "unknown"


def _size(model: ModelHere) -> str:
    if not model.files:
        return "-"
    sizes = [file.bytes for file in model.files]
    return megabytes(None if None in sizes else sum(size or 0 for size in sizes))


def chosen(names: Sequence[str], *, everything: bool) -> list[ModelCard]:
    """Cards of the models that were named, each once, or all that have weights.

    Raises:
        OptionError: a name is unknown, none was given, or some and all.
    """
    if everything and names:
        raise OptionError("Name models, or give --all, not both.")
    if everything:
        return list(DOWNLOADS)
    if not names:
        raise OptionError("Name a model, or give --all; `sakuga models` lists them.")
    known = {card.name: card for card in (*model_cards(), RIFE)}
    for name in names:
        if name not in known:
            raise OptionError(f"There is no model {name!r}; `sakuga models` lists them.")
    return [known[name] for name in dict.fromkeys(names)]
