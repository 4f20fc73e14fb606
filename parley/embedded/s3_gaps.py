"""What nanio 0.1.7 lacks of S3, between its signature check and its routes.

- A signed address is good for just what it says: S3 refuses headers of its own (`x-amz-…`) that are
  not signed, where nanio would take a signed upload for a copy of any other object.
- Ranges that end behind the file or count from its end, and whole answers to ranges that are none.
- Addresses may say with what type and disposition they are answered (`response-content-type`).
- A copy may have headers of its own (`x-amz-metadata-directive: REPLACE`), and be made only while
  the source has a certain etag.
"""

import dataclasses
import re
from typing import Any
from urllib.parse import parse_qsl, unquote

from nanio.errors import S3Error
from nanio.storage.backend import ObjectInfo
from nanio.storage.metadata import write_metadata
from nanio.storage.paths import metadata_path
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What the media of strangers is answered with, whatever it is.
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
_REPLACED = ("content-type", "content-disposition", "content-encoding", "cache-control")


class SafeHeaders:
    """Outermost: also what is refused is answered with them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers.update(SAFE_HEADERS)
            await send(message)

        await self._app(scope, receive, send_safely)


class Gaps:
    """Innermost: what comes here is signed."""

    def __init__(self, app: ASGIApp, storage: Any) -> None:
        self._app = app
        self._storage = storage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif (refusal := _refusal(scope)) is not None:
            await refusal(scope, receive, send)
        elif scope["method"] in ("GET", "HEAD"):
            await self._read(scope, receive, send)
        elif "x-amz-copy-source" in Headers(scope=scope):
            await self._copy(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    # ---------------------------------------------------------------- reading

    async def _read(self, scope: Scope, receive: Receive, send: Send) -> None:
        said = MutableHeaders(raw=list(scope["headers"]))
        if (asked := said.get("range")) is not None:
            del said["range"]
            size = self._size(scope)
            given = None if size is None else _range_in(asked, size)
            if given == "":
                answer = _error("InvalidRange", 416)
                answer.headers["Content-Range"] = f"bytes */{size}"
                return await answer(scope, receive, send)
            if given is not None:
                said["range"] = given
        overrides = _overrides(scope["query_string"])

        async def send_as_asked(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 300:
                MutableHeaders(raw=message["headers"]).update(overrides)
            await send(message)

        await self._app({**scope, "headers": said.raw}, receive, send_as_asked)
        return None

    def _size(self, scope: Scope) -> int | None:
        info = self._find(scope["path"])
        return None if info is None else int(info.size)

    # ---------------------------------------------------------------- copying

    async def _copy(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        wanted = headers.get("x-amz-copy-source-if-match")
        source = self._find("/" + unquote(headers["x-amz-copy-source"]).lstrip("/"))
        if wanted is not None and source is not None and source.etag != wanted:
            await _error("PreconditionFailed", 412)(scope, receive, send)
            return
        if headers.get("x-amz-metadata-directive") != "REPLACE":
            await self._app(scope, receive, send)
            return

        async def send_replaced(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                self._replace_headers(scope["path"], headers)
            await send(message)

        await self._app(scope, receive, send_replaced)

    def _replace_headers(self, path: str, headers: Headers) -> None:
        info = self._find(path)
        if info is None:
            return
        replaced: dict[str, Any] = {name.replace("-", "_"): headers.get(name) for name in _REPLACED}
        replaced["content_type"] = replaced["content_type"] or "application/octet-stream"
        bucket, key = _split(path)
        info = dataclasses.replace(info, user_metadata={}, **replaced)
        write_metadata(metadata_path(self._storage.data_dir, bucket, key), info)

    def _find(self, path: str) -> "ObjectInfo | None":
        bucket, key = _split(path)
        if not key:
            return None
        try:
            return self._storage.head_object(bucket, key)
        except S3Error:
            return None


def _refusal(scope: Scope) -> Response | None:
    """Return a refusal where nanio would do other than what is signed."""
    if "%" in scope["path"]:
        # nanio checks the signature of what one more decoding gives. Keys of ours have none.
        return _error("InvalidURI", 400)
    query = scope["query_string"].decode("latin-1")
    if "X-Amz-Algorithm=" not in query:
        return None
    if not all("=" in pair for pair in query.split("&")):
        # nanio leaves these out of what it checks.
        return _error("SignatureDoesNotMatch", 403)
    signed = dict(parse_qsl(query)).get("X-Amz-SignedHeaders", "").split(";")
    own = [name.decode("latin-1") for name, _ in scope["headers"] if name.startswith(b"x-amz-")]
    return None if set(own) <= set(signed) else _error("AccessDenied", 403)


def _overrides(query: bytes) -> dict[str, str]:
    prefix = "response-"
    return {
        name.removeprefix(prefix): value
        for name, value in parse_qsl(query.decode("latin-1"))
        if name in {prefix + header for header in _REPLACED}
    }


def _range_in(asked: str, size: int) -> str | None:
    """Return the range within a file; None for the whole file, empty where it has no such part."""
    match = _RANGE.fullmatch(asked.strip())
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match[1], match[2]
    if not first:
        begin, end = max(0, size - int(last)), size - 1
    else:
        begin, end = int(first), min(int(last or size), size - 1)
        if last and int(last) < begin:
            return None
    return f"bytes={begin}-{end}" if begin <= end else ""


def _split(path: str) -> tuple[str, str]:
    bucket, _, key = path.lstrip("/").partition("/")
    return bucket, key


def _error(code: str, status: int) -> Response:
    content = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code></Error>'
    return Response(content, status, media_type="application/xml")
