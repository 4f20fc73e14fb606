"""uvicorn's HTTP protocol, with one thing added: the app can cut a connection whose client takes
nothing. An answer that is ended in the usual way waits for the client to read what came before.
"""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# The name of the ASGI extension: a function without arguments.
ABORT = "parley.abort"


class HttpProtocol(HttpToolsProtocol):
    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: Any = {ABORT: self.transport.abort}
        self.scope["extensions"] = extensions
