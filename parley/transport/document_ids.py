"""Read how a request names its document: by its text, by the text's hash, or by both."""

from typing import Any

_PREFIX = "sha256:"
_MAX_LENGTH = 256


class BadDocumentId(ValueError):
    """The parameters name no document. The text is a full sentence for a developer."""


def read_document_id(extensions: Any, document_id: Any) -> str | None:
    """Return the hash (or id) by which a request names its document; None where it gives none.

    `extensions.persistedQuery.sha256Hash` is what Apollo, urql and others send; `documentId` is
    that of the GraphQL over HTTP specification, with or without "sha256:" before it.

    Raises:
        BadDocumentId: it is not text of up to 256 characters.
    """
    persisted = extensions.get("persistedQuery") if isinstance(extensions, dict) else None
    if persisted is not None:
        if not isinstance(persisted, dict):
            raise BadDocumentId("extensions.persistedQuery must be an object.")
        document_id = persisted.get("sha256Hash")
        if document_id is None:
            raise BadDocumentId("extensions.persistedQuery has no sha256Hash.")
    if document_id is None:
        return None
    if not isinstance(document_id, str) or not 0 < len(document_id) <= _MAX_LENGTH:
        raise BadDocumentId("The hash or id of a document must be text of 1 to 256 characters.")
    return document_id.removeprefix(_PREFIX)
