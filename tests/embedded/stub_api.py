"""Stands in for an API process: is ready at once, and says at its end whether PostgreSQL still
answered.

`stub_api.py PORT POSTGRESQL_PORT FAREWELL_FILE [deaf] [unready]`; a deaf one does not listen to
SIGTERM, and an unready one is ready once, and then only alive.
"""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import FrameType

from parley.supervision.probes import postgresql_answers


class Ready(BaseHTTPRequestHandler):
    was_ready = False

    def do_GET(self) -> None:
        unready = self.path == "/readyz" and Ready.was_ready and "unready" in sys.argv
        self.send_response(503 if unready else 200)
        Ready.was_ready = True
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


def main(port: int, postgresql_port: int, farewell: Path, *, deaf: bool) -> None:
    def say_farewell(number: int, frame: FrameType | None) -> None:
        if not deaf:
            farewell.write_text("answers" if postgresql_answers(postgresql_port) else "is gone")
            os._exit(0)

    signal.signal(signal.SIGTERM, say_farewell)
    if os.read(0, 1):
        HTTPServer(("127.0.0.1", port), Ready).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), deaf="deaf" in sys.argv)
