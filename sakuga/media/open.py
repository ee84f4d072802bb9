"""The one place where PyAV opens a source: a regular file, of a known kind, that cannot name another file."""

import os
import stat
from pathlib import Path

import av
import av.error
from av.container import InputContainer

from sakuga.errors import LimitError, TruncatedMediaError, UnreadableMediaError, UnsafeMediaError
from sakuga.media.structure import ends_before_index
from sakuga.settings import Limits

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,gif,apng,flv,ogg,asf,mxf,nut,ivf,"
    "yuv4mpegpipe,h264,hevc,av1,obu,dv,rm,wtv,mp3,wav,flac,aac"
)
"""Demuxers that read one file and nothing else; playlists, streams, devices and image lists are not here."""

PROTOCOLS = "file"
HEAD_BYTES = 64 * 1024
SCRIPTS = {
    b"#extm3u": "an HLS playlist",
    b"ffconcat": "a concat script",
    b"<mpd": "a DASH manifest",
    b"<smoothstreamingmedia": "a Smooth Streaming manifest",
    b"v=0\n": "an SDP description",
    b"v=0\r": "an SDP description",
    b"[reference]": "a reference file",
    b"[playlist]": "a playlist",
    b"rtsptext": "a reference file",
    b"smptext": "a reference file",
    b"<asx": "a playlist",
    b"<smil": "a playlist",
    b"<assetmap": "a digital cinema package list",
    b"file '": "a concat script",
}


def open_media(path: Path, limits: Limits) -> InputContainer:
    """Open a source; use the result as a context manager.

    The name is only a name: whatever characters it has, this one file is opened. The pixel limit also holds
    for what the decoders see while the streams are found.

    Args:
        path: the source.
        limits: what it may be at most.

    Raises:
        UnreadableMediaError: it is missing, empty, not a regular file, not a video, or of no known kind.
        UnsafeMediaError: it is a list or script that names other files or addresses.
        LimitError: it is too large, has too many streams, or takes too long to open.
        TruncatedMediaError: it ends before its index.
    """
    path = path.expanduser().absolute()
    head = _checked_head(path, limits)
    _refuse_scripts(path, head)
    try:
        container = av.open(
            f"file:{path}",
            mode="r",
            options=_options(limits),
            metadata_errors="replace",
            timeout=(limits.open_timeout, None),
        )
    except (av.error.FFmpegError, MemoryError, ValueError, OSError) as error:
        raise _refusal(path, head, limits, error) from error
    if len(container.streams) > limits.max_streams:
        container.close()
        raise _too_many_streams(path, limits)
    return container


def _options(limits: Limits) -> dict[str, str]:
    return {
        "protocol_whitelist": PROTOCOLS,
        "format_whitelist": FORMATS,
        "enable_drefs": "0",
        "probesize": str(5_000_000),
        "analyzeduration": str(5_000_000),
        "max_streams": str(limits.max_streams + 1),
        "max_pixels": str(limits.max_pixels),
    }


def _checked_head(path: Path, limits: Limits) -> bytes:
    """First bytes of a regular file within the limits; never waits for a pipe or a device."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError as error:
        raise UnreadableMediaError(f"There is no file {path}; check its name.") from error
    except PermissionError as error:
        raise UnreadableMediaError(f"{path} may not be read; check its permissions.") from error
    except (OSError, ValueError) as error:
        raise UnreadableMediaError(f"{path} cannot be opened: {error}.") from error
    with os.fdopen(_regular(descriptor, path), "rb") as file:
        status = os.fstat(file.fileno())
        if status.st_size == 0:
            raise UnreadableMediaError(f"{path} is empty; it has to be copied or downloaded again.")
        if status.st_size > limits.max_file_bytes:
            raise LimitError(
                f"{path} has {status.st_size} bytes, more than the limit of {limits.max_file_bytes} "
                "(SAKUGA_LIMITS__MAX_FILE_BYTES)."
            )
        return file.read(HEAD_BYTES)


def _regular(descriptor: int, path: Path) -> int:
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
    raise UnreadableMediaError(f"{path} is {kind}; give a video file.")


def _refuse_scripts(path: Path, head: bytes) -> None:
    text = head.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"").lstrip().lower()
    if text.startswith((b"<?xml", b"#", b";", b"<!--")):
        found = next((what for mark, what in SCRIPTS.items() if mark in text[:4096]), None)
    else:
        found = next((what for mark, what in SCRIPTS.items() if text.startswith(mark)), None)
    if found:
        raise UnsafeMediaError(
            f"{path} is {found} that names other files or addresses, not a video; give the video itself."
        )


def _too_many_streams(path: Path, limits: Limits) -> LimitError:
    return LimitError(
        f"{path} has more than {limits.max_streams} streams, which is the limit (SAKUGA_LIMITS__MAX_STREAMS)."
    )


def _refusal(path: Path, head: bytes, limits: Limits, error: BaseException) -> Exception:
    if isinstance(error, av.error.ExitError):
        return LimitError(
            f"{path} took longer than {limits.open_timeout:g} s to open (SAKUGA_LIMITS__OPEN_TIMEOUT)."
        )
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == 12:
        return _too_many_streams(path, limits)
    if ends_before_index(path, head):
        return TruncatedMediaError(
            f"{path} ends before its index (the moov box), so nothing of it can be read, not even with "
            "--salvage; it has to be copied or recorded again."
        )
    return UnreadableMediaError(f"{path} is not a video that can be read here; give a video file.")
