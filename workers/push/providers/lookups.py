"""Looking up the names of push services, in threads of their own and within a deadline.

Anybody may name a service, and a name server that is slow holds a thread for as long as the
system's resolver is patient (half a minute), whoever waits for it. So:
- whoever asks waits for `deadline_s` at most;
- a name is looked up once at a time, and who asks for one that is overdue is told so at once;
- names that have not been answered in time before share threads of their own, a few for each
  domain, so that they take none from the services that answer. Where these are all taken, who
  asks is told so at once.
The threads are daemons: one that is stuck holds up no end of the process.
"""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

Ask = Callable[[str, int], list[str]]

LOOKUP_S = 2.0
# At once: of services that are known, of all others together, and of one domain of those.
KNOWN_AT_ONCE = 16
STRANGE_AT_ONCE = 16
OF_A_DOMAIN_AT_ONCE = 2
KNOWN_MOST = 1000
# Those of the browsers, which are known before they were asked.
SERVICES = (
    "fcm.googleapis.com",
    ".push.services.mozilla.com",
    ".push.apple.com",
    ".notify.windows.com",
)


def ask_system(host: str, port: int) -> list[str]:
    """All addresses of a name by the system's resolver; blocks.

    Raises:
        OSError: there is no such name, or nobody who knows.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class Lookups:
    def __init__(self, ask: Ask = ask_system, *, deadline_s: float = LOOKUP_S) -> None:
        self._ask = ask
        self._deadline_s = deadline_s
        # By name, in the order of when it was last answered in time.
        self._known: dict[str, None] = {}
        self._under_way: dict[tuple[str, int], asyncio.Future[list[str]]] = {}
        self._overdue: set[tuple[str, int]] = set()
        # Look-ups under way: of those that are known, of all others, and of each of their domains.
        self._counts: Counter[str] = Counter()

    async def resolve(self, host: str, port: int) -> list[str]:
        """Return all addresses of a name.

        Raises:
            OSError: there is no such name, or nobody who says so in time.
        """
        place = host, port
        if place in self._overdue:
            raise OSError("the name server is slow")
        found = self._under_way.get(place) or self._begin(place)
        try:
            async with asyncio.timeout(self._deadline_s):
                # Others wait for it, too; and the thread goes on in any case.
                addresses = await asyncio.shield(found)
        except TimeoutError:
            self._known.pop(host, None)
            if self._under_way.get(place) is found:
                self._overdue.add(place)
            raise OSError("no answer in time") from None
        self._note_known(host)
        return addresses

    def _note_known(self, host: str) -> None:
        self._known.pop(host, None)
        self._known[host] = None
        if len(self._known) > KNOWN_MOST:
            del self._known[next(iter(self._known))]

    def _begin(self, place: tuple[str, int]) -> "asyncio.Future[list[str]]":
        limits = self._list_limits(place[0])
        if any(self._counts[name] >= most for name, most in limits.items()):
            raise OSError("too many look-ups")
        self._counts.update(limits.keys())
        loop = asyncio.get_running_loop()
        found = self._under_way[place] = loop.create_future()

        def end(ended: "asyncio.Future[list[str]]") -> None:
            del self._under_way[place]
            self._overdue.discard(place)
            self._counts.subtract(limits.keys())
            self._counts += Counter()  # Only those that are not 0 are kept.
            # Nobody may be left to hear how it failed.
            if not ended.cancelled():
                ended.exception()

        found.add_done_callback(end)
        threading.Thread(target=self._run, args=(place, found, loop), daemon=True).start()
        return found

    def _list_limits(self, host: str) -> dict[str, int]:
        """Return how many look-ups there may be at once, by what they are counted under."""
        if host in self._known or host.endswith(SERVICES):
            return {"known": KNOWN_AT_ONCE}
        domain = ".".join(host.split(".")[-2:])
        return {"strange": STRANGE_AT_ONCE, f".{domain}": OF_A_DOMAIN_AT_ONCE}

    def _run(
        self,
        place: tuple[str, int],
        future: "asyncio.Future[list[str]]",
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Look a name up, in the thread, and hand the outcome to the loop."""
        outcome: list[str] | OSError
        try:
            outcome = self._ask(*place)
        except (OSError, UnicodeError) as error:
            outcome = OSError(type(error).__name__)
        # The process may be about to end.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, future, outcome)


def _settle(future: "asyncio.Future[list[str]]", outcome: list[str] | OSError) -> None:
    if future.done():
        return
    if isinstance(outcome, OSError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
