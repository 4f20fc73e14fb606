"""Persisted documents: operations that a client names by the SHA-256 of their text.

Two ways, as GraphQL clients know them:

- *Automatic persisted queries*: a client sends the hash alone; on PersistedQueryNotFound it sends
  hash and text once, and the text is kept by its hash while it is used. The protocol is Apollo's
  (`extensions.persistedQuery`); urql, Relay and others speak it, too.
- *Trusted documents*: the operator gives the list of all documents that the apps were built with.
  Then nothing else is executed, whether it comes by hash or as text.

What is kept here is text. A hash of a text that is no valid document is never kept.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from sys import getsizeof

from graphql import GraphQLError

from parley.engine.errors import INVALID_INPUT, OperationRefused

NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
NOT_SUPPORTED = "PERSISTED_QUERY_NOT_SUPPORTED"
NOT_TRUSTED = "DOCUMENT_NOT_TRUSTED"

# Longer texts are read anew each time (documents.py), and so are not worth a hash.
MAX_PERSISTED_TEXT = 16 * 1024
# What all kept texts take of memory. A text of 16 k characters takes 64 kB where one of them is an
# emoji.
MAX_PERSISTED_BYTES = 16 * 1024 * 1024


class PersistedDocuments:
    """Finds texts by their hashes.

    `most` texts are kept, within `MAX_PERSISTED_BYTES`, the least recently used go first; with 0
    nothing is. `trusted` are texts by id; with None every document may be executed.
    """

    def __init__(self, most: int, trusted: Mapping[str, str] | None = None) -> None:
        self._most = most
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._bytes = 0
        self._trusted = None if trusted is None else _by_hash_and_id(trusted)
        self._trusted_texts = frozenset((trusted or {}).values())

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def trusts_few(self) -> bool:
        """Tell whether only listed documents are executed."""
        return self._trusted is not None

    def find_text(self, text: str | None, sha256: str | None) -> str:
        """Return the document's text, given the text, its hash in hexadecimal digits (or the id of
        a trusted document), or both.

        Raises:
            OperationRefused: PERSISTED_QUERY_NOT_FOUND, PERSISTED_QUERY_NOT_SUPPORTED,
                DOCUMENT_NOT_TRUSTED, or INVALID_INPUT where hash and text differ.
        """
        if text is not None:
            return self._check_text(text, sha256)
        assert sha256 is not None
        if self._trusted is not None:
            found = self._trusted.get(sha256)
        elif self._most == 0:
            raise _refuse("PersistedQueryNotSupported", NOT_SUPPORTED)
        else:
            found = self._kept.get(sha256)
            if found is not None:
                self._kept.move_to_end(sha256)
        if found is None:
            raise _refuse("PersistedQueryNotFound", NOT_FOUND)
        return found

    def keep(self, text: str, sha256: str) -> None:
        """Keep a valid document for those who will send its hash alone."""
        if self._trusted is not None or len(text) > MAX_PERSISTED_TEXT or sha256 in self._kept:
            return
        self._kept[sha256] = text
        self._bytes += getsizeof(text)
        while len(self._kept) > self._most or self._bytes > MAX_PERSISTED_BYTES:
            _, forgotten = self._kept.popitem(last=False)
            self._bytes -= getsizeof(forgotten)

    def _check_text(self, text: str, sha256: str | None) -> str:
        if self._trusted is not None and text not in self._trusted_texts:
            raise _refuse(
                "This server executes only the documents that its operator has listed, and this "
                "is none of them.",
                NOT_TRUSTED,
            )
        if self._trusted is None and sha256 is not None and sha256 != hash_of(text):
            raise _refuse("The hash is not that of the document's text.", INVALID_INPUT)
        return text


def hash_of(text: str) -> str:
    """Return the SHA-256 of the text in UTF-8, in hexadecimal digits."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _by_hash_and_id(trusted: Mapping[str, str]) -> dict[str, str]:
    ids: Iterable[tuple[str, str]] = trusted.items()
    return {**{hash_of(text): text for text in trusted.values()}, **dict(ids)}


def _refuse(message: str, code: str) -> OperationRefused:
    return OperationRefused([GraphQLError(message, extensions={"code": code})])
