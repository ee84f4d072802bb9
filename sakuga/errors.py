"""Everything that can go wrong, as one tree.

SakugaError
+-- InputError                 the source or an option is not acceptable; found before any work
|   +-- UnreadableMediaError   missing, empty, not a video, or no decoder
|   +-- UnsafeMediaError       would make the decoder open another file or address
|   +-- LimitError             larger, longer or stranger than the limits in the settings
|   +-- TruncatedMediaError    the file ends before its header says it does
|   +-- HdrError               high dynamic range, and tone mapping was not asked for
|   +-- OptionError            an option, or a combination of options, that cannot be done
|   +-- MissingToolError       an encoder, device or program that was asked for is not on this machine
|   +-- WeightsError           a file of weights is not what it should be
+-- DamagedMediaError          frames of the source do not decode
+-- EncodeError                the encoder refused or died
+-- SubprocessError            ffmpeg ended with an error, or ran past its deadline
+-- DownloadError              weights could not be downloaded
+-- DeviceError                a device that infers failed or vanished
|   +-- OutOfMemoryError       it has no room for a picture, or for the smallest part of one
+-- StoreError                 a media store could not be read or written
|   +-- StoreAwayError         it does not answer; it may come back
+-- FarmError                  chunks could not be made on the work pool, or its server does not answer
+-- DiskFullError              no room left
+-- ContractError              a proof failed: lost frame, wrong time, chunk that is not what it says
+-- QualityError               the result was made but a check failed; it is kept under another name
+-- CancelledError             the caller asked to stop
+-- ServerError                the private Prefect server of a command did not start
+-- TrainingError              training a network went wrong, and was stopped
"""

from typing import ClassVar


class SakugaError(Exception):
    """Base of all errors that Sakuga raises on purpose.

    The message is one sentence for a person: what is wrong and what to do. `retryable` says whether the
    same step may succeed when it is tried again without any change.
    """

    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1


class InputError(SakugaError):
    """The source or an option is not acceptable; nothing has been written."""

    exit_code: ClassVar[int] = 2


class UnreadableMediaError(InputError):
    """The file is missing, empty, not a video, has no video stream, or no decoder knows it."""


class UnsafeMediaError(InputError):
    """The file would make the decoder open another file or a network address."""


class LimitError(InputError):
    """The source is larger, longer or stranger than the limits in the settings allow."""


class TruncatedMediaError(InputError):
    """The file ends before its header says it does."""


class HdrError(InputError):
    """The source has high dynamic range, and tone mapping was not asked for."""


class OptionError(InputError):
    """An option, or a combination of options, that cannot be done."""


class MissingToolError(InputError):
    """An encoder, device or program that was asked for is not on this machine."""


class WeightsError(InputError):
    """A file of weights is damaged, renamed, of another network, or carries code."""


class DamagedMediaError(SakugaError):
    """Frames of the source do not decode; the message says where."""


class EncodeError(SakugaError):
    """The encoder refused its input or died."""

    retryable: ClassVar[bool] = True


class SubprocessError(SakugaError):
    """A program ended with an error or ran past its deadline.

    Attributes:
        argv: the full command line.
        program_exit_code: its exit status, None when it was killed at its deadline.
        stderr_tail: the end of what it printed on standard error.
    """

    retryable: ClassVar[bool] = True

    def __init__(
        self, message: str, argv: list[str], program_exit_code: int | None, stderr_tail: str
    ) -> None:
        super().__init__(message)
        self.argv = argv
        self.program_exit_code = program_exit_code
        self.stderr_tail = stderr_tail


class DownloadError(SakugaError):
    """Weights could not be downloaded; nothing was left under their name."""

    retryable: ClassVar[bool] = True


class DeviceError(SakugaError):
    """A device that infers failed or vanished; the same work may succeed again, or on another one."""

    retryable: ClassVar[bool] = True


class OutOfMemoryError(DeviceError):
    """A device has no room for a picture, or for the smallest part of one."""


class StoreError(SakugaError):
    """A media store could not be read or written."""

    retryable: ClassVar[bool] = True


class StoreAwayError(StoreError):
    """A media store does not answer, or its folder is not mounted; the same call may succeed in a while.

    Attributes:
        waited: whether it was waited for already, for as long as the settings allow.
    """

    waited = False


class FarmError(SakugaError):
    """Chunks could not be made on a work pool, or Prefect's server stayed away for too long."""


class DiskFullError(SakugaError):
    """No room is left where something has to be written."""


class ContractError(SakugaError):
    """A proof failed: a frame was lost, a time is wrong, or a chunk is not what it claims to be."""


class QualityError(SakugaError):
    """The result was made, but a check of it failed; it is kept under a name that says so."""


class CancelledError(SakugaError):
    """The caller asked to stop; what was half-made has been removed."""

    exit_code: ClassVar[int] = 130


class ServerError(SakugaError):
    """The private Prefect server of a command did not start."""


class TrainingError(SakugaError):
    """Training a network diverged, and was stopped; the last good state is kept."""
