"""Weights on this machine: downloaded once, proved, and never half there.

A download goes into `NAME.part` beside the file and takes its name when its digest is right. The partial file
is the lock too: the thread or process that holds it downloads, the others wait, and when it was killed the
next one goes on from what is there.
"""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal
from urllib.parse import quote, urlsplit

from sakuga.errors import DiskFullError, DownloadError, OptionError, WeightsError
from sakuga.media.info import Frozen
from sakuga.models.base import ModelCard, WeightsFile
from sakuga.models.claim import Cancelled, held, locked
from sakuga.models.download import Transfer, disk_error
from sakuga.settings import Settings

State = Literal["present", "absent", "damaged"]
OnProgress = Callable[[str, int, int], None]
"""Told of a file's name, the bytes of it that are here, and those that there are (0 where not known)."""


class Verdict(Frozen):
    """What a file of weights turned out to be.

    Attributes:
        file: as it was published.
        path: where it lies, or would.
        state: `damaged` is anything but the published bytes.
        found: its digest, empty where there is none.
        reason: why it cannot be read, empty where it can.
    """

    file: WeightsFile
    path: Path
    state: State
    found: str = ""
    reason: str = ""


def weights_path(file: WeightsFile, settings: Settings) -> Path:
    """Where a file of weights lies, or would."""
    return settings.models_root / file.name


def weights_state(file: WeightsFile, settings: Settings) -> State:
    """Whether a file of weights is here and right; its digest is computed only when it has changed."""
    path = weights_path(file, settings)
    try:
        with _open(path) as opened:
            here = os.fstat(opened.fileno())
            if file.size not in (None, here.st_size):
                return "damaged"
            mark = _mark(file, here)
            if _read_text(_proof(path)) == mark:
                return "present"
            if _digest(opened) != file.sha256:
                return "damaged"
    except (FileNotFoundError, NotADirectoryError):
        return "absent"
    except OSError:
        return "damaged"
    _keep_proof(_proof(path), mark)
    return "present"


def is_present(file: WeightsFile, settings: Settings) -> bool:
    """Whether a file of weights is here and right."""
    return weights_state(file, settings) == "present"


def ensure_weights(
    card: ModelCard,
    settings: Settings,
    on_progress: OnProgress | None = None,
    cancelled: Cancelled | None = None,
    *,
    replace: bool = False,
) -> tuple[Path, ...]:
    """Paths of a model's weights, in the card's order; what is not here is downloaded.

    Args:
        card: the model.
        settings: where weights lie and where they come from.
        on_progress: told of every block that is downloaded, and not called where nothing is.
        cancelled: asked often; True stops, and the next download goes on from there.
        replace: download anew what is here and damaged.

    Raises:
        WeightsError: a file here, or the one that came, is not what its authors published.
        DownloadError: the address cannot be reached or does not give the file.
        DiskFullError: no room is left.
        OptionError: the folder cannot be written, or the mirror is no folder or address.
        CancelledError: `cancelled` said so.
    """
    for file in card.weights:
        if not replace and weights_state(file, settings) == "damaged":
            raise _refusal(card, _verdict(file, settings))
    return tuple(_ensure(file, settings, on_progress, cancelled) for file in card.weights)


def check_source(card: ModelCard, settings: Settings) -> None:
    """Refuse, without a network, weights that are damaged here, or absent here and in a mirror folder.

    Raises:
        WeightsError: a file is here and is not what was published.
        DownloadError: a file is neither here nor in the mirror's folder.
        OptionError: the mirror is neither a folder nor an address.
    """
    for file in card.weights:
        state = weights_state(file, settings)
        if state == "damaged":
            raise _refusal(card, _verdict(file, settings))
        source = _source(file, settings)
        if state == "absent" and isinstance(source, Path) and not source.exists():
            raise DownloadError(_complaint(file, source, "No such file or directory", settings))


def verify_weights(card: ModelCard, settings: Settings) -> tuple[Verdict, ...]:
    """What each file of a model is, all bytes read anew."""
    return tuple(_verdict(file, settings) for file in card.weights)


def remove_weights(card: ModelCard, settings: Settings) -> tuple[Path, ...]:
    """Remove a model's weights and what is left of stopped downloads; the files that went.

    A download of another process that is under way goes on.

    Raises:
        OptionError: a file cannot be removed.
    """
    gone = []
    for file in card.weights:
        path = weights_path(file, settings)
        try:
            _proof(path).unlink(missing_ok=True)
            if path.exists() or path.is_symlink():
                path.unlink()
                gone.append(path)
            if _part(path).is_file():
                with _part(path).open("rb") as part:
                    if locked(part):
                        _part(path).unlink(missing_ok=True)
        except NotADirectoryError:
            continue
        except OSError as error:
            raise OptionError(f"{str(path)!r} cannot be removed: {error.strerror or error}.") from error
    return tuple(gone)


def _ensure(
    file: WeightsFile,
    settings: Settings,
    on_progress: OnProgress | None,
    cancelled: Cancelled | None,
) -> Path:
    path = weights_path(file, settings)
    if weights_state(file, settings) == "present":
        return path

    def told(done: int, total: int) -> None:
        if on_progress:
            on_progress(file.name, done, total)

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with held(_part(path), lambda done: told(done, file.size or 0), cancelled) as part:
            if weights_state(file, settings) != "present":
                _download(file, settings, part, told, cancelled)
                os.fsync(part.fileno())
                mark = _mark(file, os.fstat(part.fileno()))
                _part(path).replace(path)
                _keep_proof(_proof(path), mark)
    except OSError as error:
        raise disk_error(error, path.parent) from error
    return path


def _download(
    file: WeightsFile,
    settings: Settings,
    part: IO[bytes],
    told: Callable[[int, int], None],
    cancelled: Cancelled | None,
) -> None:
    """Fill the partial file with what was published; it is left empty where that was something else."""
    source = _source(file, settings)
    while True:
        transfer = Transfer(
            source,
            part,
            size=file.size,
            timeout=settings.download_timeout,
            progress=told,
            cancelled=cancelled,
        )
        try:
            transfer.run()
        except DownloadError as error:
            raise DownloadError(_complaint(file, source, str(error), settings)) from error
        except WeightsError as error:
            part.truncate(0)
            raise WeightsError(
                f"{file.name} at {str(source)!r} is not what was published: {error}; nothing was kept."
            ) from error
        except DiskFullError:
            part.truncate(0)
            raise
        found = _digest(part)
        if found == file.sha256:
            return
        part.truncate(0)
        # what an earlier download left may have been of another file
        if not transfer.resumed:
            raise WeightsError(
                f"{file.name} at {str(source)!r} is not what was published: its sha256 is {found} in "
                f"place of {file.sha256}; nothing was kept."
            )


def _complaint(file: WeightsFile, source: str | Path, reason: str, settings: Settings) -> str:
    return f"{file.name} could not be downloaded from {str(source)!r}: {reason}; {_hint(settings)}."


def _hint(settings: Settings) -> str:
    if settings.model_mirror:
        return "check SAKUGA_MODEL_MIRROR, and that the file is there"
    return "check the network, or set SAKUGA_MODEL_MIRROR to a folder or an http(s) address that has the file"


def _source(file: WeightsFile, settings: Settings) -> str | Path:
    mirror = settings.model_mirror
    if not mirror:
        return file.url
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", mirror):
        return Path(mirror).expanduser().absolute() / file.name
    try:
        parts = urlsplit(mirror)
    except ValueError as error:
        raise OptionError(f"SAKUGA_MODEL_MIRROR is no address: {error}.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise OptionError(
            f"SAKUGA_MODEL_MIRROR is a folder, or an http(s) address of one; it is {mirror!r} now."
        )
    if parts.username is not None:
        raise OptionError("SAKUGA_MODEL_MIRROR cannot hold a user name or password.")
    return f"{mirror.rstrip('/')}/{quote(file.name)}"


def _verdict(file: WeightsFile, settings: Settings) -> Verdict:
    path = weights_path(file, settings)
    try:
        with _open(path) as opened:
            mark = _mark(file, os.fstat(opened.fileno()))
            found = _digest(opened)
    except (FileNotFoundError, NotADirectoryError):
        return Verdict(file=file, path=path, state="absent")
    except OSError as error:
        return Verdict(file=file, path=path, state="damaged", reason=error.strerror or str(error))
    if found != file.sha256:
        with suppress(OSError):
            _proof(path).unlink()
        return Verdict(file=file, path=path, state="damaged", found=found)
    _keep_proof(_proof(path), mark)
    return Verdict(file=file, path=path, state="present", found=found)


def _refusal(card: ModelCard, verdict: Verdict) -> WeightsError:
    if verdict.reason:
        return WeightsError(f"{str(verdict.path)!r} cannot be read: {verdict.reason}; correct or remove it.")
    return WeightsError(
        f"{str(verdict.path)!r} is not what was published: its sha256 is {verdict.found} in place of "
        f"{verdict.file.sha256}; `sakuga models fetch {card.name}` replaces it."
    )


def _open(path: Path) -> IO[bytes]:
    """Open a file; what is no file, and might make a reader wait for ever, is an error."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is not a file")
    return path.open("rb", buffering=0)


def _digest(opened: IO[bytes]) -> str:
    opened.seek(0)
    return hashlib.file_digest(opened, "sha256").hexdigest()  # type: ignore[arg-type]


def _mark(file: WeightsFile, here: os.stat_result) -> str:
    """What a proved file looks like from outside; it changes with the file."""
    return f"{file.sha256} {here.st_size} {here.st_mtime_ns} {here.st_ino}"


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _proof(path: Path) -> Path:
    return path.with_name(f".{path.name}.proved")


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _keep_proof(path: Path, mark: str) -> None:
    """Without it, or with half of it, the file is only read again, so a folder that is read-only does."""
    with suppress(OSError):
        path.write_text(mark, encoding="utf-8")
