"""How a run of a flow ends that failed on purpose: in one sentence, not in a traceback."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from prefect.states import Failed

from sakuga.errors import CancelledError, SakugaError

P = ParamSpec("P")
R = TypeVar("R")


def said_plainly(body: Callable[P, R]) -> Callable[P, R]:
    """Have the run of a flow with this body fail with the sentence of a `SakugaError`; goes below `@flow`.

    Prefect would put its own words and the name of the class before the sentence, leave out the notes, and
    log a traceback. Who calls the flow gets the error itself, as without this.
    """

    @wraps(body)
    def spoken(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return body(*args, **kwargs)
        except CancelledError:
            raise
        except SakugaError as error:
            message = " ".join([str(error), *getattr(error, "__notes__", ())])
            # a state in place of a value is that of the run
            return cast(R, Failed(message=message, data=error))

    return spoken
