"""What an operator configures in Prefect: media stores."""

from blocks.s3 import S3Store
from blocks.stores import LocalFolderStore, MediaStore

__all__ = ["LocalFolderStore", "MediaStore", "S3Store"]
