"""GraphiQL for browsers at /graphql: the page, and its files under /explorer.

- The page loads nothing from elsewhere: its own files, and GraphiQL's, which `make explorer` makes
  of pinned packages. Its Content-Security-Policy holds it to that. It sends files to storage.
- Where they were not made the page says how to make them.
"""

import json
import mimetypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

OWN_FILES = (
    "explorer.css",
    "explorer.js",
    "known.js",
    "sample.png",
    "session.js",
    "tabs.js",
    "transport.js",
    "upload.js",
    "home.css",
    "home.js",
    "favicon.svg",
)

ASSETS = "/explorer/assets"
# The name of a file that was made carries a hash of its content: it never changes.
FOREVER = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"


def explorer_page(explorer_dir: Path, storage_url: str) -> Response:
    """Return the page, which may send files to storage. It is read anew each time: it is small and
    rarely asked for.
    """
    built = _read_built(explorer_dir)
    page = (explorer_dir / "index.html").read_text("utf-8")
    page = page.replace("<!-- vendor -->", "\n    ".join(_vendor_tags(built)))
    page = page.replace("<!-- tabs -->", _tabs(explorer_dir))
    page = page.replace("<!-- known -->", (explorer_dir / "known.json").read_text("utf-8"))
    return HTMLResponse(
        page,
        headers={
            "Cache-Control": REVALIDATE,
            "Content-Security-Policy": _policy(storage_url),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            # One address, several answers: the page for a browser, a result for a client.
            "Vary": "Accept",
            "X-Content-Type-Options": "nosniff",
        },
    )


def plain_page() -> Response:
    """Return the page that a browser gets where the explorer is off."""
    return PlainTextResponse(
        "This is a GraphQL API: send operations by POST, as application/json. "
        "To explore it here, start the server with PARLEY_EXPLORER=1.\n",
        headers={
            "Cache-Control": REVALIDATE,
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            "Vary": "Accept",
            "X-Content-Type-Options": "nosniff",
        },
    )


def explorer_routes(explorer_dir: Path) -> list[BaseRoute]:
    """Return routes to the page's files: its own, and GraphiQL's where they were made."""
    files = {name: explorer_dir / name for name in OWN_FILES}

    async def explorer_file(request: Request) -> Response:
        path: str = request.path_params["path"]
        if path in files:
            return _file(files[path], REVALIDATE, request)
        folder, _, name = path.partition("/")
        if folder == "assets" and name in _read_built(explorer_dir)["files"]:
            return _file(explorer_dir / path, FOREVER, request)
        raise HTTPException(404)

    return [Route("/explorer/{path:path}", explorer_file, methods=["GET"])]


def _read_built(explorer_dir: Path) -> dict[str, Any]:
    """Return what `explorer/build.mjs` wrote of the files that it made: none, before it has run."""
    try:
        built: dict[str, Any] = json.loads((explorer_dir / "assets/built.json").read_text("utf-8"))
    except FileNotFoundError:
        return {"module": None, "styles": [], "workers": {}, "files": []}
    return built


def _vendor_tags(built: dict[str, Any]) -> Iterator[str]:
    for style in built["styles"]:
        yield f'<link rel="stylesheet" href="{ASSETS}/{style}" />'
    if built["module"]:
        yield f'<link rel="modulepreload" href="{ASSETS}/{built["module"]}" />'
        workers = {label: f"{ASSETS}/{file}" for label, file in built["workers"].items()}
        vendor = json.dumps({"module": f"{ASSETS}/{built['module']}", "workers": workers})
        yield f'<script type="application/json" id="vendor">{vendor}</script>'


def _tabs(explorer_dir: Path) -> str:
    tabs = [
        {
            "step": int(query.stem.partition("-")[0]),
            "query": query.read_text("utf-8"),
            "variables": query.with_suffix(".json").read_text("utf-8"),
        }
        for query in sorted((explorer_dir / "tabs").glob("*.graphql"))
    ]
    # A data block ends at the first "</script": none can be written into it.
    return json.dumps(tabs).replace("<", "\\u003c")


def _policy(storage_url: str) -> str:
    """Return the policy of what the page may load: from this server only."""
    parts = urlsplit(storage_url)
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "worker-src 'self'",
            # Monaco, GraphiQL's editor, writes style attributes. No style can load from elsewhere.
            "style-src 'self' 'unsafe-inline'",
            "font-src 'self' data:",
            "img-src 'self' data:",
            f"connect-src 'self' {parts.scheme}://{parts.netloc}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _file(path: Path, caching: str, request: Request) -> Response:
    headers = {
        "Cache-Control": caching,
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    media_type, _ = mimetypes.guess_type(path.name)
    packed = path.with_name(path.name + ".gz")
    if "gzip" in request.headers.get("accept-encoding", "") and packed.is_file():
        path, headers["Content-Encoding"] = packed, "gzip"
    if not path.is_file():
        raise HTTPException(404)
    return FileResponse(path, media_type=media_type, headers=headers)
