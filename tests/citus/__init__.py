"""Tests on PostgreSQL distributed by Citus; `make test-citus` runs them, `make test` never does."""
