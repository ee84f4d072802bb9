"""A media store in a bucket of S3, or of anything that speaks its protocol."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import Field, HttpUrl, SecretStr

from blocks.stores import DOCUMENTATION, MediaStore, Stored, local_errors
from sakuga.errors import OptionError, StoreError
from sakuga.media.ref import MediaRef, check_key, file_digest

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TIMEOUT = 20
"""Seconds to wait for a connection, and for the next byte of an answer."""


MISSING = ("404", "NoSuchKey")


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

    def put(self, file: Path, key: str, *, overwrite: bool = True, move: bool = False) -> MediaRef:
        """Store a local file under a key; see `MediaStore.put`."""
        name = self._name(key)
        sha256, size = file_digest(file)
        if not overwrite and self.stat(key):
            raise OptionError(
                f"{self.location(key)!r} already exists; choose another name or pass --overwrite."
            )
        with self._errors():
            self._client.upload_file(str(file), self.bucket, name, ExtraArgs={"Metadata": {"sha256": sha256}})
        stored = self.stat(key)
        if stored is None or stored.size != size:
            raise StoreError(f"{self.location(key)!r} was not written whole; try again.")
        if move:
            with local_errors(file):
                file.unlink(missing_ok=True)
        return MediaRef(uri=key, sha256=sha256, size=size)

    def _copy_to(self, key: str, target: Path) -> None:
        with self._errors(), local_errors(target):
            self._client.download_file(self.bucket, self._name(key), str(target))

    def read(self, key: str) -> bytes | None:
        """Content of a small file; see `MediaStore.read`."""
        with self._errors():
            try:
                return self._client.get_object(Bucket=self.bucket, Key=self._name(key))["Body"].read()
            except ClientError as error:
                if error.response["Error"]["Code"] in MISSING:
                    return None
                raise

    def stat(self, key: str) -> Stored | None:
        """What is stored under a key; see `MediaStore.stat`."""
        name = self._name(key)
        with self._errors():
            try:
                head = self._client.head_object(Bucket=self.bucket, Key=name)
            except ClientError as error:
                if error.response["Error"]["Code"] in MISSING:
                    return None
                raise
        return Stored(key=key, size=head["ContentLength"], used=head["LastModified"])

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
        name = self._name(key)
        if self.stat(key) is None:
            return
        with self._errors():
            head = self._client.head_object(Bucket=self.bucket, Key=name)
            self._client.copy_object(
                Bucket=self.bucket,
                Key=name,
                CopySource={"Bucket": self.bucket, "Key": name},
                Metadata=head["Metadata"],
                MetadataDirective="REPLACE",
            )

    def location(self, key: str) -> str:
        """Where a key is, as an `s3://` address."""
        return f"s3://{self.bucket}/{self._name(key)}"

    def _name(self, key: str) -> str:
        folder = self.prefix.strip("/")
        return f"{folder}/{check_key(key)}" if folder else check_key(key)

    @cached_property
    def _client(self) -> "S3Client":
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name=self.region,
            aws_access_key_id=self.access_key.get_secret_value() if self.access_key else None,
            aws_secret_access_key=self.secret_key.get_secret_value() if self.secret_key else None,
            config=Config(connect_timeout=TIMEOUT, read_timeout=TIMEOUT, retries={"max_attempts": 2}),
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from boto3.exceptions import Boto3Error

        try:
            yield
        except (BotoCoreError, ClientError, Boto3Error) as error:
            raise StoreError(f"The bucket {self.bucket!r} cannot be read or written: {error}.") from error
