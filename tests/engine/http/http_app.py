"""The toy schema behind HTTP, for tests."""

GRAPHQL_JSON = "application/graphql-response+json"


BOOK = {"query": "{ book { id } }"}


SAVE = {"query": 'mutation { save(input: {title: "t"}) { __typename } }'}


GOOD = {"authorization": "Bearer good"}
