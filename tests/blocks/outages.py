"""Stores that can be sent away and brought back: a folder that is renamed, a service that is stopped."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from blocks import LocalFolderStore, S3Store
from blocks.stores import MediaStore

BUCKET = "media"


class Outage:
    """A store, and how it goes away and comes back with everything in it."""

    store: MediaStore
    noticed: float = 0.6
    """Seconds of an absence that no call overlooks."""

    def go(self) -> None:
        """Send the store away."""

    def back(self) -> None:
        """Bring it back."""

    def end(self) -> None:
        """End what was started."""


class Unmounted(Outage):
    """A folder whose disk is not there."""

    def __init__(self, folder: Path, *, mount_point: bool = False) -> None:
        self.store = LocalFolderStore(root=folder)
        self.store.prepare()
        self._folder, self._elsewhere = folder, folder.with_name(f"{folder.name}.elsewhere")
        self._mount_point = mount_point

    def go(self) -> None:
        """Take the folder away; where it is a mount point, an empty folder is left."""
        self._folder.rename(self._elsewhere)
        if self._mount_point:
            self._folder.mkdir()

    def back(self) -> None:
        """Bring it back; what was written in its place meanwhile is an error here."""
        if self._mount_point:
            self._folder.rmdir()
        self._elsewhere.rename(self._folder)


class Stopped(Outage):
    """A bucket whose service is stopped; it comes back on the same port."""

    noticed = 4.0
    # boto3 itself tries three times within at most three seconds

    def __init__(self, bucket: str = BUCKET) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
        self._server.start()
        host, self._port = self._server.get_host_and_port()
        self.store = new_bucket(f"http://{host}:{self._port}", bucket, "media/")

    def go(self) -> None:
        """Stop the service."""
        self._server.stop()

    def back(self) -> None:
        """Start it again; the buckets are those of this process, so they are still there."""
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self._port)
        self._server.start()

    def end(self) -> None:
        """Stop the service for good."""
        self._server.stop()


def bucket_at(endpoint: str, name: str = BUCKET, prefix: str = "media/") -> S3Store:
    """A store in a bucket of a service of this machine."""
    return S3Store(
        bucket=name,
        prefix=prefix,
        endpoint_url=endpoint,
        region="us-east-1",
        access_key=SecretStr("key"),
        secret_key=SecretStr("secret"),
    )


def new_bucket(endpoint: str, name: str, prefix: str = "") -> S3Store:
    """The same, with the bucket made where it is not there."""
    store = bucket_at(endpoint, name, prefix)
    store._client.create_bucket(Bucket=name)
    return store


class _Refusing(BaseHTTPRequestHandler):
    """Answers every request with the status that the bucket's name ends with, `b-503` with 503."""

    def _refuse(self) -> None:
        status = int(self.path.split("?")[0].split("/")[1].rsplit("-", 1)[-1])
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        self._refuse()

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._refuse()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def refusing_service() -> Iterator[str]:
    """Address of a service that refuses everything; see `_Refusing`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
