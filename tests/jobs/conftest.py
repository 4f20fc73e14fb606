"""The storage and the files of the tests of media, for jobs that need some."""

from tests.media.conftest import files, http, renderer, s3, storage

__all__ = ["files", "http", "renderer", "s3", "storage"]
