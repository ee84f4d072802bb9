"""Make the bucket of a farm and the block that its runs load it from: `python -m deployments.storage`."""

import os
import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from blocks.s3 import S3Store
from sakuga.errors import OptionError, SakugaError, StoreError

BLOCK = "farm"
"""Name of the block: flows are given it as `sakuga-s3-store/farm`."""
VARIABLES = ("STORAGE_ENDPOINT", "STORAGE_BUCKET", "STORAGE_ACCESS_KEY", "STORAGE_SECRET_KEY")
THERE = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")


def install_storage() -> str:
    """Make the bucket where it is missing, save the block in place of an older one, and return its slug.

    Raises:
        OptionError: a variable is missing.
        StoreError: the storage does not answer or refuses.
    """
    missing = [name for name in VARIABLES if not os.environ.get(name)]
    if missing:
        raise OptionError(f"Set {', '.join(missing)} to say where the farm keeps its media.")
    endpoint, bucket, access, secret = (os.environ[name] for name in VARIABLES)
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=access,
        aws_secret_access_key=secret,
    )
    try:
        client.create_bucket(Bucket=bucket)
    except (ClientError, BotoCoreError) as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        if code not in THERE:
            raise StoreError(
                f"The bucket {bucket!r} cannot be made at {endpoint}; check the storage and its keys: {error}"
            ) from error
    block = S3Store(
        bucket=bucket, endpoint_url=endpoint, region="us-east-1", access_key=access, secret_key=secret
    )
    block.save(BLOCK, overwrite=True)
    return f"{S3Store.get_block_type_slug()}/{BLOCK}"


def main() -> int:
    """Do it, and say what was made."""
    try:
        sys.stdout.write(f"{install_storage()}\n")
    except SakugaError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
