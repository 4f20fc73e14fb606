"""The documents of a client kit, as its tools read them: from the `.graphql` files of a folder."""

from pathlib import Path

from graphql import DocumentNode, concat_ast, parse, print_ast, separate_operations

CLIENTS = Path(__file__).parents[2] / "clients"


def read_documents(folder: Path) -> DocumentNode:
    """Return all operations and fragments of a folder as one document."""
    return concat_ast([parse(path.read_text()) for path in sorted(folder.glob("*.graphql"))])


def operations(document: DocumentNode) -> dict[str, str]:
    """Return each operation by its name, with the fragments that it uses: what a client sends."""
    return {name: print_ast(each) for name, each in separate_operations(document).items()}
