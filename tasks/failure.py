"""How a run of a flow ends that failed on purpose: in one sentence, not in a traceback."""

import logging
import os
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from prefect.states import Cancelled, Failed

from sakuga.errors import CancelledError, SakugaError

RUNS = logging.getLogger("prefect.flow_runs")
P = ParamSpec("P")
R = TypeVar("R")


def said_plainly(body: Callable[P, R]) -> Callable[P, R]:
    """Have the run of a flow with this body fail with the sentence of a `SakugaError`; goes below `@flow`.

    Prefect would put its own words and the name of the class before the sentence, leave out the notes, and
    log a traceback. Who calls the flow gets the error itself, as without this. A run that a worker started
    and that was told to stop ends as cancelled, not as failed.
    """

    @wraps(body)
    def spoken(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return body(*args, **kwargs)
        except CancelledError as error:
            if "PREFECT__FLOW_RUN_ID" in os.environ:
                # a worker started this process for the run: nobody else is told of the error
                return cast(R, Cancelled(message=str(error)))
            raise
        except SakugaError as error:
            RUNS.addFilter(_unsaid)
            message = " ".join([str(error), *getattr(error, "__notes__", ())])
            # a state in place of a value is that of the run
            return cast(R, Failed(message=message, data=error))

    return spoken


def _unsaid(record: logging.LogRecord) -> bool:
    """Keep out the traceback that the process of a run ends with, after its state has said why."""
    return not (record.exc_info and isinstance(record.exc_info[1], SakugaError))
