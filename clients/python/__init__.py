"""A client of Parley in Python, on gql: see README.md."""
