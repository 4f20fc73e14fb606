"""The access key of storage: given by settings, or found by boto3's credential chain (a role or a
profile), which asks over the network and whose keys end and are fetched anew.

Signing must not block, so a thread asks the chain before the key ends.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future

from boto3.session import Session
from botocore.credentials import Credentials

from models.refusals import unavailable
from models.storage.signing import AccessKey

logger = logging.getLogger("parley.storage")

# Asked that often, botocore fetches a role's keys anew a quarter of an hour before they end.
ASK_AGAIN_S = 60

Submit = Callable[[Callable[[], None]], "Future[None]"]


class AccessKeys:
    """The access key of the moment: `current()` for signing, `session` for the client, which shares
    the keys that were found.
    """

    def __init__(
        self, session: Session, submit: Submit, clock: Callable[[], float] = time.time
    ) -> None:
        """Take the session. `submit` runs a blocking call in a thread."""
        self.session = session
        self._submit = submit
        self._clock = clock
        self._current: AccessKey | None = None
        self._asked_at: float | None = None

    @classmethod
    def open(
        cls,
        submit: Submit,
        *,
        access_key_id: str | None,
        secret_access_key: str | None,
        session_token: str | None = None,
    ) -> "AccessKeys":
        """Open the keys of settings. Without an id and a secret, the chain is asked when a key is
        first needed.
        """
        if not access_key_id or not secret_access_key:
            return cls(Session(), submit)
        keys = cls(
            Session(
                aws_access_key_id=access_key_id,
                aws_secret_access_key=secret_access_key,
                aws_session_token=session_token,
            ),
            submit,
        )
        keys.ask()
        return keys

    def current(self) -> AccessKey:
        """Return the key to sign with, without blocking. Have a thread ask the chain again when it
        is time.

        Raises:
            Refused: UNAVAILABLE while none is known.
        """
        now = self._clock()
        known = self._current
        if known is not None and known.ends_at is None:
            return known
        if self._asked_at is None or now - self._asked_at >= ASK_AGAIN_S:
            self._asked_at = now
            self._submit(self.ask)
        if known is None or (known.ends_at is not None and known.ends_at <= now):
            raise unavailable()
        return known

    def ask(self) -> None:
        """Take the session's key of the moment. With a chain, this blocks."""
        try:
            credentials = self.session.get_credentials()
            found = None if credentials is None else _read(credentials)
        except Exception as error:
            # Without its text, which may quote what a profile or an endpoint holds.
            logger.error(
                "the access key of storage could not be fetched",
                extra={"why": type(error).__name__},
            )
            return
        if found is None:
            logger.error(
                "there is no access key for storage: set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or give this machine a role"
            )
            return
        # What did not change stays the same object, by which signed addresses are kept.
        if found != self._current:
            self._current = found


def _read(credentials: Credentials) -> AccessKey | None:
    """Return the key and the end that belongs to it, although other threads may renew it
    meanwhile.
    """
    while True:
        found = credentials.get_frozen_credentials()
        # botocore tells in no other way when keys end; those of a user have no end.
        ends = getattr(credentials, "_expiry_time", None)
        if credentials.get_frozen_credentials() == found:
            break
    if not found.access_key or not found.secret_key:
        return None
    return AccessKey(
        id=found.access_key,
        secret=found.secret_key,
        token=found.token,
        ends_at=None if ends is None else ends.timestamp(),
    )
