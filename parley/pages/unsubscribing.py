"""The page behind the link in mails: unsubscribing by one click, without signing in (RFC 8058).

A GET changes nothing, since programs that check mails for bad links follow them: it shows a page
with a button. A POST, by that button or by a mail program, ends the mails.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from models.log.signals import Signalled, ViewerChanged
from models.push.unsubscribing import unsubscribe
from models.refusals import Refused
from schema.context import Resources
from workers.push.providers.mail_links import PATH

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_ASK = """<p>Parley sends no more mails to this address for this account.</p>
<form method="post"><button>Unsubscribe</button></form>"""
_DONE = "<p>You are unsubscribed. Parley sends no more mails to this address for this account.</p>"
_UNKNOWN = "<p>This link is not one of ours, or was cut. Use the whole link of the mail.</p>"
_AWAY = "<p>This did not work just now. Try again in a minute.</p>"


def unsubscribe_routes(find_resources: Callable[[], Resources]) -> list[BaseRoute]:
    async def unsubscribing(request: Request) -> Response:
        resources = find_resources()
        claims = resources.tokens.read_unsubscribe(request.path_params["token"])
        if claims is None:
            return _page(_UNKNOWN, 404)
        if request.method != "POST":
            return _page(_ASK, 200)
        try:
            await unsubscribe(resources.database, claims, now=datetime.now(UTC))
        except Refused:
            return _page(_AWAY, 503)
        # Their devices show that there is no endpoint any more.
        resources.live.announce([Signalled(ViewerChanged(), [claims.user_id])])
        return _page(_DONE, 200)

    return [Route(f"{PATH}/{{token}}", unsubscribing, methods=["GET", "POST"])]


def _page(text: str, status: int) -> HTMLResponse:
    page = (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Parley: unsubscribe</title></head>\n<body>\n<h1>Unsubscribe</h1>\n{text}\n"
        "</body>\n</html>\n"
    )
    return HTMLResponse(page, status, headers=_HEADERS)
