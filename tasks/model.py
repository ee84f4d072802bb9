"""The weights of a job's model, made present before the first chunk."""

import threading
import time

from prefect.logging import get_run_logger

from sakuga.enhance.spec import EnhanceSpec
from sakuga.models.between import prepare_rife
from sakuga.models.registry import prepare_model
from sakuga.settings import load_settings
from tasks.channel import Channel, current_channel
from tasks.progress import PERIOD
from tasks.retry import step


@step("fetch model")
def fetch_model(spec: EnhanceSpec) -> None:
    """Download the weights that the job needs and that are not here, and prove those that are.

    Raises:
        DownloadError: they could not be had; worth another try.
        WeightsError: a file is not what it should be.
    """
    channel, settings = current_channel(), load_settings()
    channel.check()
    told = _Told(channel)
    prepare_model(spec.model_choice(), settings, told.progress, channel.cancelled)
    if spec.fps is not None and spec.interpolation == "rife":
        prepare_rife(settings, told.progress, channel.cancelled)
    if told.file:
        get_run_logger().info("Downloaded %s", told.file)


class _Told:
    """What the watcher has been told of a download."""

    def __init__(self, channel: Channel) -> None:
        self._channel, self._lock, self._last = channel, threading.Lock(), 0.0
        self.file = ""

    def progress(self, name: str, done: int, total: int) -> None:
        """Tell of `done` of `total` bytes of a file, at a bearable pace."""
        with self._lock:
            if not self.file:
                self._channel.emit("stage", stage="model")
            now = time.monotonic()
            if name == self.file and done < total and now - self._last < PERIOD:
                return
            self.file, self._last = name, now
        self._channel.emit("download", file=name, done=done, total=total)
