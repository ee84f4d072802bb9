"""Watch a folder, or a prefix in a store: every video that arrives there is enhanced once."""

from typing import Annotated, Literal

from prefect import flow
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from pydantic import Field

from blocks.preset import completed
from flows.forms import titled
from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.info import Frozen
from tasks.failure import said_plainly
from tasks.ledger import Ledger
from tasks.places import Place
from tasks.probing import VIDEO_SUFFIXES
from tasks.scan import Scan, Watch
from tasks.watching import Request

PATTERNS = tuple(f"*{suffix}" for suffix in sorted(VIDEO_SUFFIXES))


class WatchOptions(Frozen):
    """How a folder is watched."""

    patterns: list[str] = Field(
        list(PATTERNS),
        min_length=1,
        title="Patterns",
        description="File names that count, in upper or lower case, such as `*.mkv`.",
        json_schema_extra={"position": 0},
    )
    recursive: bool = Field(
        True,
        title="Folders below",
        description="Watch the folders in the folder too.",
        json_schema_extra={"position": 1},
    )
    settle_seconds: float = Field(
        10,
        ge=0,
        le=600,
        title="Settle time",
        description="Seconds in which size and time of a new file must not change before it counts.",
        json_schema_extra={"position": 2},
    )
    overwrite: bool = Field(
        False,
        title="Overwrite",
        description="Replace results that are there already; those of a changed file are replaced anyway.",
        json_schema_extra={"position": 3},
    )
    max_new: int = Field(
        1000,
        ge=1,
        le=100_000,
        title="New files",
        description="New files that one scan looks at; the next scan goes on with the rest.",
        json_schema_extra={"position": 4},
    )
    deployment: str = Field(
        "enhance/enhance-video",
        pattern=r"^[^/]+/[^/]+$",
        title="Deployment",
        description="Deployment that runs are started of, as `flow/name`.",
        json_schema_extra={"position": 5},
    )


def _run_name() -> str:
    parameters = flow_run.parameters
    store = parameters.get("store")
    return f"watch {parameters.get('folder', '')}" + (f" in {store}" if store else "")


@flow(name="watch-folder", flow_run_name=_run_name, persist_result=False)
@said_plainly
def watch_folder(
    folder: Annotated[str, titled("Folder")],
    store: Annotated[str | None, titled("Store")] = None,
    preset: Annotated[str | None, titled("Preset")] = None,
    output: Annotated[str | None, titled("Output")] = None,
    dispatch: Annotated[Literal["local", "pool"], titled("Dispatch")] = "local",
    spec: Annotated[EnhanceSpec, titled("Options")] = EnhanceSpec(),  # noqa: B008
    options: Annotated[WatchOptions, titled("Watch")] = WatchOptions(),  # noqa: B008
) -> Scan:
    """Start a run for every video that is new in a folder; look once and end, without waiting for the runs.

    Args:
        folder: A folder of the machine that runs this, or with a store the prefix of keys in it.
        store: A media store block, as `type/name`, in which `folder` is; empty is this machine.
        preset: An enhancement preset block, by name: what the options below leave at their defaults.
        output: Folder for the results; empty is beside the source, or in the store if one is named.
        dispatch: Whether a run makes its chunks itself (`local`) or has the workers of a pool make them.
        spec: What results are to be.
        options: Which files count, and when.

    Returns:
        What was found and done.

    Raises:
        OptionError: there is no such folder, store, preset or deployment.
        StoreError: the folder or the store cannot be read or written.
        FarmError: Prefect's server does not answer.
    """
    place = Place(folder, store)
    request = _request(place, spec, preset, output, dispatch, options)
    # before the listing: what the ledger knows as failed has its sidecar by then
    ledger = Ledger(place.store, place.prefix)
    try:
        listing = place.listing(options.patterns, recursive=options.recursive)
        scan = Watch(place, request, ledger, listing).run(options.settle_seconds, options.max_new)
    finally:
        ledger.save()
    get_run_logger().info(
        "%d files: %d known, %d started, %d refused, %d still growing, %d left for the next scan. "
        "Of the runs %d are open, %d are done, %d failed.",
        *(scan.files, scan.known, scan.started, scan.refused, scan.growing, scan.later),
        *(scan.running, scan.done, scan.failed),
    )
    return scan


def _request(
    place: Place,
    spec: EnhanceSpec,
    preset: str | None,
    output: str | None,
    dispatch: Literal["local", "pool"],
    options: WatchOptions,
) -> Request:
    spec, output, store = completed(preset, spec, output, place.block)
    return Request(
        spec=spec,
        output=output or None,
        store=store,
        dispatch=dispatch,
        overwrite=options.overwrite,
        deployment=options.deployment,
    )
