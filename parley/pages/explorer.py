"""GraphiQL for browsers at /graphql: the page, and its files under /explorer.

- The page loads nothing but what `explorer/` and the hashes in `explorer/assets.json` name; its
  Content-Security-Policy holds it to that, file by file: a public address holds everybody's.
- Where `make explorer` has fetched GraphiQL's files they are served from here, for use without
  internet; elsewhere the page loads the same files from the public address in `assets.json`.
"""

import json
import mimetypes
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

OWN_FILES = (
    "explorer.css",
    "explorer.js",
    "known.js",
    "session.js",
    "home.css",
    "home.js",
    "favicon.svg",
)

# A vendor's path carries its version and its content is checked by hash: it never changes.
FOREVER = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"


def explorer_page(explorer_dir: Path) -> Response:
    """Return the page. It is read anew each time: it is small and rarely asked for."""
    assets = _read_assets(explorer_dir)
    local = all((explorer_dir / "assets" / path).is_file() for path, _ in _vendor_files(assets))
    base = "/explorer/assets" if local else assets["cdn"]
    page = (explorer_dir / "index.html").read_text("utf-8")
    page = page.replace("<!-- vendor -->", "\n    ".join(_vendor_tags(assets, base)))
    page = page.replace("<!-- tabs -->", _tabs(explorer_dir))
    return HTMLResponse(
        page,
        headers={
            "Cache-Control": REVALIDATE,
            "Content-Security-Policy": _policy([] if local else list(_public_files(assets))),
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
    """Return routes to the page's files: its own, and GraphiQL's where they were fetched."""
    assets = _read_assets(explorer_dir)
    files = {name: explorer_dir / name for name in OWN_FILES}
    vendor = {f"assets/{path}": explorer_dir / "assets" / path for path, _ in _vendor_files(assets)}

    async def explorer_file(request: Request) -> Response:
        path: str = request.path_params["path"]
        if path in vendor:
            return _file(vendor[path], FOREVER, request)
        if path in files:
            return _file(files[path], REVALIDATE, request)
        raise HTTPException(404)

    return [Route("/explorer/{path:path}", explorer_file, methods=["GET"])]


def _read_assets(explorer_dir: Path) -> dict[str, Any]:
    assets: dict[str, Any] = json.loads((explorer_dir / "assets.json").read_text("utf-8"))
    return assets


def _vendor_files(assets: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(path, hash) in the order of loading; paths are the same here and at the public address."""
    for package in assets["packages"]:
        for file, integrity in package["files"].items():
            yield f"{package['name']}@{package['version']}/{file}", integrity


def _vendor_tags(assets: dict[str, Any], base: str) -> Iterator[str]:
    for path, integrity in _vendor_files(assets):
        checked = f'integrity="{integrity}" crossorigin="anonymous"'
        if path.endswith(".css"):
            yield f'<link rel="stylesheet" href="{base}/{path}" {checked} />'
        else:
            yield f'<script defer src="{base}/{path}" {checked}></script>'


def _tabs(explorer_dir: Path) -> str:
    tabs = [
        {
            "query": query.read_text("utf-8"),
            "variables": query.with_suffix(".json").read_text("utf-8"),
        }
        for query in sorted((explorer_dir / "tabs").glob("*.graphql"))
    ]
    # A data block ends at the first "</script": none can be written into it.
    return json.dumps(tabs).replace("<", "\\u003c")


def _public_files(assets: dict[str, Any]) -> Iterator[str]:
    for path, _ in _vendor_files(assets):
        yield f"{assets['cdn']}/{path}"


def _policy(files: Sequence[str]) -> str:
    """Return the policy of what the page may load: from elsewhere these files only."""
    scripts = ["script-src 'self'", *(each for each in files if not each.endswith(".css"))]
    styles = ["style-src 'self'", *(each for each in files if each.endswith(".css"))]
    return "; ".join(
        (
            "default-src 'none'",
            " ".join(scripts),
            " ".join(styles),
            "font-src data:",
            "img-src 'self' data:",
            "connect-src 'self'",
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
