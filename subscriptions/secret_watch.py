"""Whether all API processes sign with secrets that the others know.

With another PARLEY_SECRET on one host, each process refuses the tokens that the others make.
Clients are then signed out by chance, whenever a balancer leads them elsewhere, and nobody else
would say why. So each process shows a fingerprint of its secret in Valkey, and looks at those of
the others.
"""

import logging

from models.background import Background, Loops
from models.tokens import Tokens
from subscriptions.scripts import AWAY, Script, Valkey

logger = logging.getLogger("parley.secret")

LOOK_EVERY_S = 10.0
# A process that has not looked for so long has ended.
SHOWN_FOR_S = 35
KEY = "parley:{secrets}"


class SecretWatch:
    """Look at the secrets of others now and then, and warn of one that is not known here."""

    def __init__(
        self,
        valkey: Valkey,
        tokens: Tokens,
        loops: Loops | None = None,
        *,
        every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._every_s = every_s
        self._script = Script(valkey, "show_secret")
        self._own, *previous = tokens.fingerprints
        self._known = {self._own, *previous}
        self._has_warned = False
        self._background = Background(loops)

    def start(self) -> None:
        self._background.every(
            "secrets", self._every_s, self.look, jitter=0.2, at_once=True, away=AWAY
        )

    async def close(self) -> None:
        await self._background.close()

    async def look(self) -> None:
        """Show the own fingerprint, and warn once of others while there are any."""
        shown = await self._script.run([KEY], [self._own, SHOWN_FOR_S])
        is_strange = any(fingerprint.decode() not in self._known for fingerprint in shown)
        if is_strange and not self._has_warned:
            logger.error(
                "Another API process has a PARLEY_SECRET that is neither PARLEY_SECRET nor "
                "PARLEY_SECRET_PREVIOUS here: each refuses tokens of the other, so clients are "
                "signed out by chance. Set the same on all hosts; deploy/secret.md says how to "
                "change it."
            )
        self._has_warned = is_strange
