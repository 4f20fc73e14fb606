"""Reads the list of trusted documents, as the tools of clients write it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MEANING = (
    "the path of a JSON file with all documents that your apps send. Nothing else is executed "
    "then. Taken are the lists that GraphQL Code Generator, Relay and Apollo write: "
    "`{id: document}`, or Apollo's manifest of operations; clients send the id, the SHA-256, or "
    "the text"
)


def read_trusted_documents(text: str) -> dict[str, str]:
    """Return the documents by id, given the path of their file.

    Raises:
        ValueError: it cannot be read, or is none of the known lists.
    """
    try:
        content = json.loads(Path(text).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"must be the path of a JSON file, which {text!r} is not: {error}"
        ) from None
    documents = dict(_read_entries(content))
    if not documents:
        raise ValueError(f"must be a file with documents by their ids; {text!r} has none.")
    return documents


def _read_entries(content: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(content, dict):
        return
    operations = content.get("operations")
    if isinstance(operations, list):
        content = {
            each.get("id"): each.get("body") for each in operations if isinstance(each, dict)
        }
    for document_id, document in content.items():
        if isinstance(document_id, str) and isinstance(document, str):
            yield document_id, document
