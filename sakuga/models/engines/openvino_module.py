"""OpenVINO, imported so that it tells nobody."""

import importlib
import sys
import threading
from types import ModuleType

from sakuga.errors import MissingToolError

_TELLER = "openvino_telemetry"
_importing = threading.Lock()


def load_openvino() -> ModuleType:
    """The module `openvino`.

    Its import reports to a server on the internet, under an identity that it writes into the user's home,
    by a package that comes with it. It has a stub for where that package is missing; here it gets the stub.

    Raises:
        MissingToolError: OpenVINO is not installed, or does not load.
    """
    with _importing:
        hidden = _TELLER not in sys.modules
        if hidden:
            sys.modules[_TELLER] = None  # type: ignore[assignment]  # what makes an import fail
        try:
            return importlib.import_module("openvino")
        except (ImportError, OSError) as error:
            raise MissingToolError(
                f"OpenVINO does not load ({error}); install Sakuga anew, or choose another model or back end."
            ) from error
        finally:
            if hidden:
                sys.modules.pop(_TELLER, None)
