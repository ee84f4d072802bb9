"""Making an episode from the terminal."""

from pathlib import Path
from typing import Literal

from app.inputs import Item
from app.progress import Reporter
from app.runner import JobRunner
from sakuga.episode.places import is_address
from sakuga.errors import OptionError
from sakuga.media.info import Frozen
from sakuga.settings import Settings


class EpisodeRunner(JobRunner):
    """Runs `episode` for the file of one, `item`."""

    flow_module = "flows.episode"

    def __init__(
        self,
        file: str,
        settings: Settings,
        reporter: Reporter,
        *,
        output: str | None,
        store: str | None,
        overwrite: bool,
        verbose: bool,
        dispatch: Literal["local", "pool"],
    ) -> None:
        super().__init__(settings, reporter, verbose=verbose)
        path = Path(file).expanduser()
        self._stored = store is not None and not path.exists()
        self.item = Item(Path(file) if self._stored or is_address(file) else path.absolute())
        self._file = file
        self._output, self._store, self._overwrite, self._dispatch = output, store, overwrite, dispatch

    def _check(self, item: Item) -> bool:
        """Refuse what its file says wrong, and a result that is there, before a server is started.

        A file in a store is read once there is a server to ask for the store.
        """
        from sakuga.episode.load import load_episode
        from tasks.destination import choose_destination

        if self._stored:
            self._reporter.event(item.path, "started", {"output": self._output or self._store})
            return True
        if is_address(self._file):
            raise OptionError(f"{self._file!r} is an address in a store; name its block too, with --store.")
        spec = load_episode(item.path)
        place = choose_destination(
            item.path,
            item.path.name,
            spec.output.container,
            self._output,
            in_store=self._store is not None,
            overwrite=self._overwrite,
        )
        where = str(place.folder / place.name) if place.folder else f"{self._store}: {place.name}"
        self._reporter.event(item.path, "started", {"output": where})
        return True

    def _work(self, item: Item) -> Frozen:
        from flows.episode import episode

        return episode(
            self._file if self._stored else str(item.path),
            output=str(Path(self._output).absolute()) if self._output else None,
            store=self._store,
            overwrite=self._overwrite,
            dispatch=self._dispatch,
        )
