"""Sakuga's engine: low-resolution video in, clean high-resolution video out."""

__version__ = "0.1.0"

ENGINE_VERSION = 2
"""Part of every cached chunk's key: raised when the same input would give other pixels than before."""
