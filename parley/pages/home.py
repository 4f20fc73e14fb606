"""The page at `/`, which says what is here; the schema as text; and the icon.

Where the explorer is off, as in production, `/` is one line of text, and the schema is not shown.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def home_routes(explorer_dir: Path, schema_file: Path, *, explorer: bool) -> list[BaseRoute]:
    """Return the routes of `/` and of the icon, and where the explorer is on, of the schema."""

    async def home(_: Request) -> Response:
        if not explorer:
            text = "This is a messaging server. Apps talk to it by GraphQL, at /graphql.\n"
            return PlainTextResponse(text, headers=_HEADERS)
        return FileResponse(explorer_dir / "home.html", media_type="text/html", headers=_HEADERS)

    async def icon(_: Request) -> Response:
        headers = {**_HEADERS, "Cache-Control": "public, max-age=86400"}
        return FileResponse(explorer_dir / "favicon.svg", headers=headers)

    async def schema(_: Request) -> Response:
        return FileResponse(schema_file, media_type="text/plain", headers=_HEADERS)

    shown = [Route("/schema.graphql", schema)] if explorer else []
    return [Route("/", home), Route("/favicon.ico", icon), *shown]
