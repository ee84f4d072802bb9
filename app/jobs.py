"""Enhancing videos from the terminal, one after another."""

import contextlib
from pathlib import Path
from typing import Literal

from app.inputs import Item, check_item, place_of
from app.progress import Reporter
from app.runner import JobRunner
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import OptionError, SakugaError
from sakuga.media.info import Frozen
from sakuga.settings import Settings
from tasks.digest import digest_of
from tasks.scratch import remove_dead


class Runner(JobRunner):
    """Runs `enhance` for each of several videos."""

    flow_module = "flows.enhance"

    def __init__(
        self,
        spec: EnhanceSpec,
        settings: Settings,
        reporter: Reporter,
        *,
        output: str | None,
        store: str | None,
        overwrite: bool,
        verbose: bool,
        dispatch: Literal["local", "pool"] = "local",
    ) -> None:
        super().__init__(settings, reporter, verbose=verbose)
        self._spec, self._dispatch = spec, dispatch
        self._output, self._store, self._overwrite = output, store, overwrite
        self._taken: set[tuple[Path | None, str]] = set()

    def _ahead(self, item: Item) -> None:
        with contextlib.suppress(SakugaError):
            digest_of(item.path)

    def _check(self, item: Item) -> bool:
        place, report = check_item(
            item,
            self._spec,
            self._settings,
            self._output,
            self._store,
            self._overwrite,
            on_pool=self._dispatch == "pool",
        )
        if place.folder and (place.folder, place.name) in self._taken:
            raise OptionError(
                f"Two sources would both become {place.name!r}; run them into different folders."
            )
        self._taken.add((place.folder, place.name))
        where = str(place.folder / place.name) if place.folder else f"{self._store}: {place.name}"
        if report:
            # nothing is run that would see to what a killed run has left
            remove_dead(self._settings.scratch_root)
            self._reporter.event(item.path, "skipped", {"result": where, "checks": len(report.checks)})
            return False
        self._reporter.event(item.path, "started", {"output": where})
        return True

    def _work(self, item: Item) -> Frozen:
        from flows.enhance import enhance

        return enhance(
            str(item.path),
            self._spec,
            output=place_of(item, self._output),
            store=self._store,
            overwrite=self._overwrite,
            dispatch=self._dispatch,
        )
