"""The embedded S3 endpoint, a child of its own running `s3_server`."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from parley.supervision.part import BARE_ENVIRONMENT, CHECKOUT, SupervisedPart
from parley.supervision.probes import http_status


class S3(SupervisedPart):
    def __init__(
        self, data_dir: Path, log_path: Path, *, port: int, bucket: str, region: str
    ) -> None:
        super().__init__("s3", log_path=log_path)
        self.url = f"http://127.0.0.1:{port}"
        self._data_dir = data_dir
        self._port = port
        self._bucket = bucket
        self._region = region

    def command(self) -> Sequence[str]:
        arguments = [str(self._data_dir), str(self._port), self._bucket, self._region]
        return [sys.executable, "-m", "parley.embedded.s3_server", *arguments]

    def environment(self) -> Mapping[str, str]:
        return {**BARE_ENVIRONMENT, "PYTHONPATH": str(CHECKOUT)}

    def answers(self) -> bool:
        # It refuses the unsigned question, which is an answer.
        return http_status(self._port, "/") == 403

    def responds(self) -> bool:
        return http_status(self._port, "/") is not None
