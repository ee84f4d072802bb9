"""Every upscaler by its name, and other people's checkpoints by their path."""

import difflib
import hashlib
import threading
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from sakuga.errors import (
    ContractError,
    DeviceError,
    MissingToolError,
    OptionError,
    UnreadableMediaError,
    WeightsError,
)
from sakuga.media.ref import file_digest
from sakuga.models import anime4k, cards, lanczos
from sakuga.models.anime4k import Anime4K
from sakuga.models.base import AUTO, ModelCard, ModelChoice, Upscaler
from sakuga.models.between import unload_rife
from sakuga.models.lanczos import Lanczos
from sakuga.models.own import own_cards, own_digest, own_network, own_precision
from sakuga.models.own_upscaler import Own
from sakuga.models.weights import ensure_weights
from sakuga.settings import Settings, load_settings

CHECKPOINTS = (".pth", ".pt", ".safetensors")
"""Suffixes by which a model's name is taken for the path of a checkpoint."""

DENOISERS = {"realesr-general-x4v3": 0.5}
"""Models with a denoise strength, and what it is where none is given: the default of Real-ESRGAN's script."""

NEURAL_VERSION = 2
"""Raised when the pixels that the networks' pipeline makes change."""

LOADED = 2
"""Upscalers that are kept loaded."""

_loading = threading.Lock()
"""Chunks that begin at the same time share one network."""


def built_in_cards() -> tuple[ModelCard, ...]:
    """Cards of the upscalers that come with the installation, the baseline last."""
    return (*own_cards(), *anime4k.CARDS, lanczos.CARD)


def model_cards() -> tuple[ModelCard, ...]:
    """Cards of all upscalers: those that come with the installation, then those that are downloaded."""
    return (*built_in_cards(), *cards.CARDS)


def model_names() -> tuple[str, ...]:
    """Names of all upscalers."""
    return tuple(card.name for card in model_cards())


def check_model(choice: ModelChoice) -> None:
    """Refuse a choice that cannot be run here, without loading it.

    Raises:
        OptionError: there is no such model, or it has no such option.
        MissingToolError: what runs it is not installed, or there is no such device.
        WeightsError: there is no such checkpoint.
    """
    model_digest(choice)
    if choice.precision == "bf16" and _is_own(choice.name):
        own_precision(choice.precision)
    if not _is_network(choice.name):
        return
    if find_spec("torch") is None:
        raise MissingToolError(
            f"{_subject(choice)} needs PyTorch; {cards.INSTALL}, or choose a model that is built in."
        )
    from sakuga.models.engines.choose import candidates, resolve_device

    candidates(resolve_device(choice.device).name, choice.backend, choice.precision)


def model_digest(choice: ModelChoice) -> str:
    """What identifies a model's weights, options and code; part of every chunk's key.

    Raises:
        OptionError: there is no such model, or it has no such option.
        WeightsError: there is no such checkpoint.
    """
    _refuse_unknown(choice.name)
    if choice.denoise is not None and choice.name not in DENOISERS:
        raise OptionError(
            f"{_subject(choice)} has no denoise strength; leave it out, or choose {', '.join(DENOISERS)}."
        )
    if not _is_network(choice.name):
        _refuse_options(choice)
        if choice.name == AUTO:
            text = " ".join(own_digest(card.name) for card in own_cards())
            return f"{AUTO}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        return own_digest(choice.name) if _is_own(choice.name) else _built_in(choice.name).digest
    if is_checkpoint(choice.name):
        parts = [_checkpoint_digest(choice.name)]
    else:
        parts = [file.sha256 for file in cards.find_card(choice.name).weights]
    parts += [str(denoise_of(choice))]
    text = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]
    return f"{shown_name(choice)}-{NEURAL_VERSION}-{text}"


def possible_digests(choice: ModelChoice) -> frozenset[str]:
    """Digests of the models that a choice may come to: one, or with `auto` those of all our own networks.

    Raises:
        OptionError: there is no such model, or it has no such option.
        WeightsError: there is no such checkpoint.
    """
    digest = model_digest(choice)
    if choice.name == AUTO:
        return frozenset(own_digest(card.name) for card in own_cards())
    return frozenset({digest})


def denoise_of(choice: ModelChoice) -> float | None:
    """The denoise strength that a choice comes to; None for models without one."""
    return DENOISERS.get(choice.name) if choice.denoise is None else choice.denoise


def shown_name(choice: ModelChoice) -> str:
    """A model's name as it is shown: a checkpoint's without its folder."""
    return Path(choice.name).stem if is_checkpoint(choice.name) else choice.name


def check_checkpoint(choice: ModelChoice) -> None:
    """Read a checkpoint, once for each content, and refuse one that cannot be used; nothing for other models.

    Raises:
        MissingToolError: its network needs spandrel, which is not installed.
        WeightsError: it is not what it should be.
    """
    if is_checkpoint(choice.name):
        _prove_once(Path(choice.name), _checkpoint_digest(choice.name))


@lru_cache(maxsize=16)
def _prove_once(path: Path, digest: str) -> None:
    from sakuga.models.networks.checkpoint import load_checkpoint

    del digest
    load_checkpoint(path)


def prepare_model(
    choice: ModelChoice,
    settings: Settings,
    on_progress: Callable[[str, int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> None:
    """Make a model's weights present and proved, or read a checkpoint; nothing for models that need none.

    Args:
        choice: the model.
        settings: of this machine.
        on_progress: called with a file's name, the bytes that are there, and all its bytes.
        cancelled: asked again and again; True ends a download.

    Raises:
        DownloadError: they could not be had.
        MissingToolError: a checkpoint's network needs spandrel, which is not installed.
        WeightsError: a file is not what it should be.
        CancelledError: `cancelled` said so.
    """
    check_checkpoint(choice)
    if _is_network(choice.name) and not is_checkpoint(choice.name):
        ensure_weights(cards.find_card(choice.name), settings, on_progress, cancelled)


def load_upscaler(choice: ModelChoice, size: tuple[int, int] = (854, 480)) -> Upscaler:
    """The upscaler of a choice, loaded; the last few stay loaded.

    Args:
        choice: model, device, precision and back end.
        size: width and height of the pictures that it will get, for calibration.

    Raises:
        OptionError: there is no such model, or it has no such option.
        ContractError: the choice is `auto`, which has to be made before, for each video.
        MissingToolError: what runs it is not installed, or there is no such device.
        WeightsError: a file of weights is not what it should be.
        DownloadError: weights are not there and could not be had.
        DeviceError: the device failed.
    """
    check_model(choice)
    if choice.name == AUTO:
        raise ContractError("No model has been chosen for this video.")
    if not _is_network(choice.name):
        return _load_own(choice) if _is_own(choice.name) else _built_in(choice.name)
    from sakuga.models.engines.choose import resolve_device

    device = resolve_device(choice.device).name
    try:
        with _loading:
            return _load_network(choice.model_copy(update={"device": device}), model_digest(choice), size)
    except DeviceError:
        give_up(device)
        raise


def give_up(device: str) -> None:
    """Unload all networks after a device has failed; `auto` takes another device from now on.

    Args:
        device: the one that failed, as in `EngineUse`.
    """
    from sakuga.models.engines.choose import note_failure

    unload()
    note_failure(device)


def unload() -> None:
    """Give back the memory of all loaded networks that nothing uses."""
    _load_network.cache_clear()
    own_network.cache_clear()
    unload_rife()


def is_checkpoint(name: str) -> bool:
    """Whether a model's name is the path of a checkpoint."""
    return name.lower().endswith(CHECKPOINTS)


@lru_cache(maxsize=LOADED)
def _load_network(choice: ModelChoice, digest: str, size: tuple[int, int]) -> Upscaler:
    from sakuga.models.engines.choose import open_engine
    from sakuga.models.networks.checkpoint import build_network, load_checkpoint
    from sakuga.models.neural import NeuralUpscaler

    if is_checkpoint(choice.name):
        network = load_checkpoint(Path(choice.name))
    else:
        card = cards.find_card(choice.name)
        paths = ensure_weights(card, load_settings())
        network = build_network(card, paths, denoise_of(choice))
    engine = open_engine(
        network,
        digest=digest,
        size=size,
        device=choice.device,
        precision=choice.precision,
        backend=choice.backend,
    )
    return NeuralUpscaler(shown_name(choice), digest, engine, network)


def _load_own(choice: ModelChoice) -> Upscaler:
    # a network stays loaded by itself; two threads would load it twice
    with _loading:
        return Own(choice.name, choice.precision)


def _is_own(name: str) -> bool:
    return name == AUTO or any(card.name == name for card in own_cards())


def _is_network(name: str) -> bool:
    return is_checkpoint(name) or any(card.name == name for card in cards.CARDS)


def _built_in(name: str) -> Upscaler:
    if name == lanczos.CARD.name:
        return Lanczos()
    return Anime4K(name)


def _subject(choice: ModelChoice) -> str:
    """A model as the subject of a sentence."""
    return f"The checkpoint {choice.name!r}" if is_checkpoint(choice.name) else f"The model {choice.name}"


def _refuse_unknown(name: str) -> None:
    if is_checkpoint(name) or name in (AUTO, *model_names()):
        return
    if name == cards.RIFE.name:
        raise OptionError(f"{name} does not upscale; the interpolation `rife` uses it.")
    if Path(name).suffix and Path(name).exists():
        raise OptionError(f"{name!r} is no checkpoint; the name of one ends in {', '.join(CHECKPOINTS)}.")
    known = (AUTO, *model_names())
    near = difflib.get_close_matches(name.lower(), known, n=1)
    meant = f" (is {near[0]} meant?)" if near else ""
    raise OptionError(
        f"There is no model {name!r}{meant}; choose one of {', '.join(known)}, "
        f"or name a checkpoint ({', '.join(CHECKPOINTS)})."
    )


def _refuse_options(choice: ModelChoice) -> None:
    asked = {
        "device": choice.device not in ("auto", "cpu"),
        "precision": choice.precision not in ("auto", "fp32", *(("bf16",) if _is_own(choice.name) else ())),
        "backend": choice.backend not in ("auto", "openvino" if _is_own(choice.name) else "auto"),
    }
    wrong = [name for name, is_wrong in asked.items() if is_wrong]
    if wrong:
        raise OptionError(
            f"The model {choice.name} runs on the CPU only, and not with this {' or '.join(wrong)}; "
            "leave that out, or choose another model."
        )


def _checkpoint_digest(name: str) -> str:
    path = Path(name)
    try:
        facts = path.stat()
    except OSError as error:
        raise WeightsError(f"The checkpoint {name!r} cannot be read: {error.strerror}.") from error
    if not path.is_file():
        raise WeightsError(f"The checkpoint {name!r} is not a file; name the file of weights itself.")
    return _digest_once(path.absolute(), facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino, facts.st_size)


@lru_cache(maxsize=16)
def _digest_once(path: Path, *seen: int) -> str:
    del seen
    try:
        return file_digest(path)[0]
    except UnreadableMediaError as error:
        raise WeightsError(str(error)) from error
