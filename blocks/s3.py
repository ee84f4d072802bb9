"""A media store in a bucket of S3, or of anything that speaks its protocol."""

import hashlib
import mimetypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    SSLError,
)
from botocore.exceptions import (
    ConnectionError as NoConnectionError,
)
from pydantic import Field, HttpUrl, PrivateAttr, SecretStr

from blocks.files import local_errors
from blocks.stores import DOCUMENTATION, MediaStore, Stored
from sakuga.errors import OptionError, StoreAwayError, StoreError
from sakuga.media.ref import MediaRef, check_key, file_digest

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

TIMEOUT = 15
"""Seconds to wait for a connection, and for the next byte of an answer."""

LONGEST_LINK = timedelta(days=7)
"""S3 signs for no longer."""

MISSING = ("404", "NoSuchKey")
BUSY = (
    "SlowDown",
    "InternalError",
    "ServiceUnavailable",
    "RequestTimeout",
    "Throttling",
    "RequestLimitExceeded",
)
AWAY_STATUS = (429, 500, 502, 503, 504)
NO_ANSWER = (NoConnectionError, HTTPClientError, IncompleteReadError, ConnectionError, TimeoutError)


class S3Store(MediaStore):
    """A bucket of S3, or of another object store that speaks its protocol.

    Attributes:
        bucket: Name of the bucket.
        prefix: Folder in the bucket that all keys are below.
        endpoint_url: Address of the service; empty for Amazon's own.
        region: Region of the bucket.
        access_key: Access key; without it boto3 looks in its usual places.
        secret_key: Secret that belongs to the access key.

    Example:
        Load a configured store and keep a file in it:
        ```python
        from pathlib import Path

        from blocks.s3 import S3Store

        store = S3Store.load("BLOCK_NAME")
        ref = store.put(Path("clip.mp4"), "sources/clip.mp4")
        ```
    """

    _block_type_name: ClassVar[str | None] = "Sakuga S3 Store"
    _block_type_slug: ClassVar[str | None] = "sakuga-s3-store"
    _logo_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://cdn.sanity.io/images/3ugk85nk/production/d74b16fe84ce626345adf235a47008fea2869a60-225x225.png"
    )
    _documentation_url: ClassVar[HttpUrl | None] = DOCUMENTATION
    _description = "Keeps media in a bucket of S3, or of another object store that speaks its protocol."

    bucket: str = Field(title="Bucket", description="Name of the bucket.")
    prefix: str = Field(
        default="", title="Prefix", description="Folder in the bucket that all keys are below."
    )
    endpoint_url: str | None = Field(
        default=None, title="Endpoint", description="Address of the service; empty for Amazon's own."
    )
    region: str | None = Field(default=None, title="Region", description="Region of the bucket.")
    access_key: SecretStr | None = Field(
        default=None,
        title="Access key",
        description="Access key; without it boto3 looks in its usual places.",
    )
    secret_key: SecretStr | None = Field(
        default=None, title="Secret key", description="Secret that belongs to the access key."
    )

    _seen: bool = PrivateAttr(default=False)
    """Whether the bucket itself was there once."""

    def prepare(self) -> None:
        """See that the bucket is there and may be used; see `MediaStore.prepare`."""
        with self._errors():
            self._client.head_bucket(Bucket=self.bucket)
        self._seen = True

    def put(self, file: Path, key: str, *, overwrite: bool = True, move: bool = False) -> MediaRef:
        """Store a local file under a key; see `MediaStore.put`."""
        sha256, size = file_digest(file)
        ref = MediaRef(uri=check_key(key), sha256=sha256, size=size)
        # the same content is what an earlier try has left
        if overwrite or not self._holds(ref, only=True):
            self._upload(file, ref)
        if move:
            with local_errors(file):
                file.unlink(missing_ok=True)
        return ref

    def write(self, key: str, content: bytes) -> None:
        """Store small content in one request; see `MediaStore.write`."""
        name = self._name(key)
        with self._errors():
            self._client.put_object(
                Bucket=self.bucket,
                Key=name,
                Body=content,
                ContentType=_kind(name),
                Metadata={"sha256": hashlib.sha256(content).hexdigest()},
            )

    def share(self, file: Path, ref: MediaRef) -> MediaRef:
        """Upload a file whose digest is known, unless it is there; see `MediaStore.share`."""
        if not self._holds(ref):
            self._upload(file, ref)
        return ref

    def link(self, key: str, expires: timedelta) -> str:
        """An address that is signed for some time, 7 days at most; see `MediaStore.link`."""
        seconds = max(1, int(min(expires, LONGEST_LINK).total_seconds()))
        with self._errors():
            return self._client.generate_presigned_url(
                "get_object", Params={"Bucket": self.bucket, "Key": self._name(key)}, ExpiresIn=seconds
            )

    def _copy_to(self, key: str, target: Path) -> None:
        with self._errors(), local_errors(target):
            self._client.download_file(self.bucket, self._name(key), str(target))

    def read(self, key: str) -> bytes | None:
        """Content of a small file; see `MediaStore.read`."""
        name = self._name(key)
        with self._errors():
            try:
                return self._client.get_object(Bucket=self.bucket, Key=name)["Body"].read()
            except ClientError as error:
                if error.response["Error"]["Code"] in MISSING:
                    return None
                raise

    def stat(self, key: str) -> Stored | None:
        """What is stored under a key; see `MediaStore.stat`."""
        head = self._head(key)
        return head and Stored(key=key, size=head["ContentLength"], used=head["LastModified"])

    def files(self, prefix: str = "") -> Iterator[Stored]:
        """Every file below a prefix; see `MediaStore.files`."""
        root = f"{self.prefix.strip('/')}/" if self.prefix.strip("/") else ""
        below = f"{self._name(prefix)}/" if prefix else root
        with self._errors():
            for page in self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=below
            ):
                for entry in page.get("Contents", []):
                    yield Stored(
                        key=entry["Key"].removeprefix(root), size=entry["Size"], used=entry["LastModified"]
                    )

    def remove(self, key: str) -> None:
        """Remove a key; see `MediaStore.remove`."""
        with self._errors():
            self._client.delete_object(Bucket=self.bucket, Key=self._name(key))

    def touch(self, key: str) -> None:
        """Mark a key as used now, by copying it onto itself; see `MediaStore.touch`."""
        head = self._head(key)
        if head is None:
            return
        name = self._name(key)
        with self._errors():
            self._client.copy_object(
                Bucket=self.bucket,
                Key=name,
                CopySource={"Bucket": self.bucket, "Key": name},
                ContentType=head.get("ContentType", ""),
                Metadata=head["Metadata"],
                MetadataDirective="REPLACE",
            )

    def location(self, key: str) -> str:
        """Where a key is, as an `s3://` address."""
        return f"s3://{self.bucket}/{self._name(key)}"

    def key_of(self, address: str) -> str | None:
        """The key of an `s3://` address in this bucket and below its prefix; see `MediaStore.key_of`."""
        top = f"s3://{self.bucket}/"
        below = f"{top}{self.prefix.strip('/')}/" if self.prefix.strip("/") else top
        return address.removeprefix(below) if address.startswith(below) else None

    def known(self, key: str) -> MediaRef | None:
        """The reference to a file that this class has uploaded; see `MediaStore.known`."""
        head = self._head(key)
        digest = head["Metadata"].get("sha256", "") if head else ""
        if head is None or not re.fullmatch(r"[0-9a-f]{64}", digest):
            return None
        return MediaRef(uri=key, sha256=digest, size=head["ContentLength"])

    def _name(self, key: str) -> str:
        folder = self.prefix.strip("/")
        return f"{folder}/{check_key(key)}" if folder else check_key(key)

    def _upload(self, file: Path, ref: MediaRef) -> None:
        name = self._name(ref.uri)
        extra = {"Metadata": {"sha256": ref.sha256}, "ContentType": _kind(name)}
        with self._errors(), local_errors(file):
            self._client.upload_file(str(file), self.bucket, name, ExtraArgs=extra)
        stored = self.stat(ref.uri)
        if stored is None or stored.size != ref.size:
            raise StoreError(f"{self.location(ref.uri)!r} was not written whole; try again.")

    def _holds(self, ref: MediaRef, *, only: bool = False) -> bool:
        """Whether the key holds this very content.

        Raises:
            OptionError: it holds other content, and `only` this one may be there.
        """
        head = self._head(ref.uri)
        if head is None:
            return False
        same = head["ContentLength"] == ref.size and head["Metadata"].get("sha256") == ref.sha256
        if only and not same:
            raise OptionError(
                f"{self.location(ref.uri)!r} already exists; choose another name or turn on overwrite."
            )
        return same

    def _head(self, key: str) -> "HeadObjectOutputTypeDef | None":
        name = self._name(key)
        with self._errors():
            try:
                head = self._client.head_object(Bucket=self.bucket, Key=name)
            except ClientError as error:
                if error.response["Error"]["Code"] not in MISSING:
                    raise
                if not self._seen:
                    # the answer is the same where the whole bucket is missing
                    self.prepare()
                return None
        self._seen = True
        return head

    @cached_property
    def _client(self) -> "S3Client":
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url or None,
            region_name=self.region or None,
            aws_access_key_id=self.access_key.get_secret_value() if self.access_key else None,
            aws_secret_access_key=self.secret_key.get_secret_value() if self.secret_key else None,
            config=Config(
                connect_timeout=TIMEOUT,
                read_timeout=TIMEOUT,
                retries={"max_attempts": 2},
                # links that older signatures sign are refused in newer regions
                signature_version="s3v4",
            ),
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from boto3.exceptions import Boto3Error

        try:
            yield
        except (BotoCoreError, ClientError, Boto3Error) as error:
            if is_away(error):
                raise StoreAwayError(f"The bucket {self.bucket!r} does not answer: {error}.") from error
            raise StoreError(f"The bucket {self.bucket!r} cannot be read or written: {error}.") from error


def is_away(error: BaseException) -> bool:
    """Whether an error of boto3 says that the service does not answer now, in place of refusing."""
    from boto3.exceptions import Boto3Error

    said: BaseException | None = error
    while isinstance(said, Boto3Error):
        # what an upload or several tries came to is wrapped around the error that says why
        said = getattr(said, "last_exception", None) or said.__cause__ or said.__context__
    if isinstance(said, ClientError):
        status = said.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return said.response.get("Error", {}).get("Code") in BUSY or status in AWAY_STATUS
    return isinstance(said, NO_ANSWER) and not isinstance(said, SSLError)


def _kind(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
