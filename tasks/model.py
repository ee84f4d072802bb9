"""The weights of a job's model, made present before the first chunk."""

import threading
import time

from prefect.logging import get_run_logger
from prefect.runtime import task_run

from sakuga.enhance.spec import EnhanceSpec
from sakuga.models.between import check_rife, prepare_rife
from sakuga.models.cards import RIFE
from sakuga.models.registry import check_model, prepare_model
from sakuga.models.weights import is_present
from sakuga.settings import load_settings
from tasks.channel import Channel, current_channel
from tasks.progress import PERIOD
from tasks.retry import step


@step("fetch model")
def fetch_model(spec: EnhanceSpec) -> None:
    """Download the weights that the job needs and that are not here, and prove those that are.

    Raises:
        MissingToolError: what runs the model is not installed, or there is no such device.
        DownloadError: they could not be had; worth another try.
        WeightsError: a file is not what it should be.
    """
    channel, settings = current_channel(), load_settings()
    channel.check()
    check_model(spec.model_choice())
    cards = spec.downloads()
    if RIFE in cards:
        check_rife(spec.device)
    present = all(is_present(file, settings) for card in cards for file in card.weights)
    if not present and task_run.run_count <= 1:
        # before the first byte: a server that does not answer takes its time
        channel.emit("stage", stage="model")
    told = _Told(channel)
    prepare_model(spec.model_choice(), settings, told.progress, channel.cancelled)
    if RIFE in cards:
        prepare_rife(settings, told.progress, channel.cancelled)
    for file in told.files:
        get_run_logger().info("Downloaded %s", file)


class _Told:
    """What the watcher has been told of a download."""

    def __init__(self, channel: Channel) -> None:
        self._channel, self._lock, self._last = channel, threading.Lock(), 0.0
        self.files: list[str] = []

    def progress(self, name: str, done: int, total: int) -> None:
        """Tell of `done` of `total` bytes of a file, at a bearable pace."""
        with self._lock:
            now = time.monotonic()
            if name in self.files and done < total and now - self._last < PERIOD:
                return
            self._last = now
            if name not in self.files:
                self.files.append(name)
        self._channel.emit("download", file=name, done=done, total=total)
