"""The storage and the files of the tests of media, for jobs that need some."""

from tests.media.conftest import files, renderer, s3, storage

__all__ = ["files", "renderer", "s3", "storage"]
