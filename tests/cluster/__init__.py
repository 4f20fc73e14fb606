"""Parley on a cluster of three Valkey primaries and three replicas: `make test-cluster`."""
