"""A Prefect server as `sakuga jobs` talks to it: plain HTTP, as importing Prefect takes seconds."""

import base64
import json
import ssl
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from app.server import prefect_setting
from sakuga.errors import FarmError, OptionError
from sakuga.quality.words import duration_text, plain

TIMEOUT = 30.0
"""Seconds to wait for an answer; reading thousands of runs from a busy database takes some."""

CONNECT_TIMEOUT = 5.0

BUSY_PAUSES = (0.1, 0.3, 1.0, 2.0, 4.0)
"""Seconds to wait when a server has not done what was asked, as its database was busy."""

PAUSE = 1.0
"""Seconds between two tries to reach a server that is away."""


class Server:
    """The REST API of one Prefect server; use it as a context manager.

    All methods raise FarmError where it does not answer, which may pass, and OptionError where what was asked
    of it is wrong.
    """

    def __init__(self, address: str | None) -> None:
        """A server by its address; None takes the one that Prefect is configured for."""
        self.url = _api_url(address or prefect_setting("PREFECT_API_URL", "api", "url"))
        self._client = httpx.Client(
            headers=_headers(),
            timeout=httpx.Timeout(TIMEOUT, connect=CONNECT_TIMEOUT),
            verify=_verify(),
            follow_redirects=True,
        )
        self._patience = 0.0
        self._say: Callable[[str], object] = str

    def wait_when_away(self, seconds: float, say: Callable[[str], None]) -> None:
        """From now on ask again while the server does not answer, for so long; said once each time.

        Only for questions: a request that was heard, and whose answer was lost, would be made twice.
        """
        self._patience, self._say = seconds, say

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @property
    def page(self) -> str:
        """Address of the server's page for people."""
        return (prefect_setting("PREFECT_UI_URL", "", "ui_url") or self.url.removesuffix("/api")).rstrip("/")

    def get(self, path: str) -> Any:  # noqa: ANN401 - whatever JSON can hold
        """The answer to a question; None where there is no such thing."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever JSON can hold
        """The answer to a question with particulars, or to a request; None where there is no such thing."""
        return self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:  # noqa: ANN401 - as above
        away: float | None = None
        while True:
            try:
                answer = self._ask_once(method, path, body)
            except FarmError as error:
                if away is None and self._patience:
                    self._say(f"{error} Waiting for it.")
                away = away or time.monotonic()
                if time.monotonic() - away >= self._patience:
                    raise
                time.sleep(PAUSE)
            else:
                if away is not None:
                    self._say(f"It answers again, after {duration_text(time.monotonic() - away)}.")
                return answer

    def _ask_once(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:  # noqa: ANN401 - as above
        answer = self._send(method, path, body)
        if answer.status_code == httpx.codes.FORBIDDEN and "CSRF" in answer.text:
            self._take_token()
            answer = self._send(method, path, body)
        for pause in BUSY_PAUSES:
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(pause)
            answer = self._send(method, path, body)
        return self._judged(answer)

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        try:
            return self._client.request(method, f"{self.url}{path}", json=body)
        except httpx.TransportError as error:
            reason = plain(str(error) or type(error).__name__)
            raise FarmError(f"Prefect's server at {self.url} does not answer: {reason}.") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise OptionError(f"{self.url!r} is no address of a Prefect server: {error}.") from error

    def _take_token(self) -> None:
        """Servers that guard against forged requests of browsers want one with each change."""
        client = str(uuid.uuid4())
        token = self._judged(self._send("GET", f"/csrf-token?client={client}", None))
        self._client.headers.update({"Prefect-Csrf-Client": client, "Prefect-Csrf-Token": token["token"]})

    def _judged(self, answer: httpx.Response) -> Any:  # noqa: ANN401 - whatever JSON can hold
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise OptionError(
                f"Prefect's server at {self.url} refuses who asks; set PREFECT_API_AUTH_STRING, or "
                "PREFECT_API_KEY, to what it accepts."
            )
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR or answer.status_code == 429:
            raise FarmError(f"Prefect's server at {self.url} is in trouble (status {answer.status_code}).")
        try:
            content = answer.json() if answer.content else {}
        except ValueError as error:
            raise OptionError(
                f"{self.url!r} is not the API of a Prefect server; its address ends in /api as a rule."
            ) from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            if isinstance(content, dict) and content.get("detail") == "Not Found":
                # what a web server says of paths it does not know; Prefect says what was not found
                raise OptionError(f"{self.url!r} is not the API of a Prefect server.")
            return None
        if answer.is_error:
            raise OptionError(refusal(content))
        return content


def refusal(content: Any) -> str:  # noqa: ANN401 - whatever JSON can hold
    """What a server says about a request that it refuses, as one sentence that names the field."""
    if not isinstance(content, dict):
        return f"The server refused: {plain(str(content))}."
    if details := content.get("exception_detail"):
        first = details[0]
        field = ".".join(str(part) for part in first.get("loc", ()) if part != "body")
        return f"The server refused {field or 'the request'}: {plain(str(first.get('msg', '')))}."
    text = plain(str(content.get("detail") or content.get("exception_message") or content))
    text = text.removeprefix("Error creating flow run: ")
    text = text.replace("Validation failed for field ", "The server refused ", 1)
    text = text.replace("Validation failed. ", "The server refused the parameters. ", 1)
    return text.replace(". Failure reason: ", ": ", 1).rstrip(".") + "."


def _api_url(address: str | None) -> str:
    if not address:
        raise OptionError(
            "No Prefect server is configured; pass --server http://HOST:4200/api, or set PREFECT_API_URL."
        )
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise OptionError(f"{address!r} is no address of a server; it looks like http://HOST:4200/api.")
    return address.rstrip("/") + ("" if parts.path.strip("/") else "/api")


def _headers() -> dict[str, str]:
    custom = prefect_setting("PREFECT_CLIENT_CUSTOM_HEADERS", "client", "custom_headers")
    try:
        headers = {str(name): str(value) for name, value in json.loads(custom or "{}").items()}
    except (ValueError, AttributeError) as error:
        raise OptionError("PREFECT_CLIENT_CUSTOM_HEADERS is no JSON object of names and values.") from error
    if given := prefect_setting("PREFECT_API_AUTH_STRING", "api", "auth_string"):
        headers["Authorization"] = f"Basic {base64.b64encode(given.encode()).decode()}"
    elif key := prefect_setting("PREFECT_API_KEY", "api", "key"):
        headers["Authorization"] = f"Bearer {key}"
    return headers


def _verify() -> ssl.SSLContext | bool:
    skip = prefect_setting("PREFECT_API_TLS_INSECURE_SKIP_VERIFY", "api", "tls_insecure_skip_verify") or ""
    if skip.lower() in ("1", "true", "yes", "on"):
        return False
    file = prefect_setting("PREFECT_API_SSL_CERT_FILE", "api", "ssl_cert_file")
    try:
        return ssl.create_default_context(cafile=file) if file else True
    except OSError as error:
        raise OptionError(f"PREFECT_API_SSL_CERT_FILE: {file!r} cannot be used: {error.strerror}.") from error
