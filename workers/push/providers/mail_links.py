"""The links in mails: where whoever reads a mailbox says that they want no more."""

from models.push.mails import digest_of
from models.tokens import Tokens, UnsubscribeClaims

PATH = "/unsubscribe"


class MailLinks:
    def __init__(self, tokens: Tokens, public_url: str) -> None:
        self._tokens = tokens
        self._base = f"{public_url.rstrip('/')}{PATH}/"

    def for_digest(self, user_id: str, address: str) -> str:
        """Return where this user's digests to the address are ended."""
        return self._link(user_id, address, refuse=False)

    def for_code(self, user_id: str, address: str) -> str:
        """Return where this user's codes to the address are ended, which nobody asked for."""
        return self._link(user_id, address, refuse=True)

    def _link(self, user_id: str, address: str, *, refuse: bool) -> str:
        claims = UnsubscribeClaims(user_id, digest_of(address), refuse)
        return self._base + self._tokens.make_unsubscribe(claims)
