"""Cases of test_snapshots: for each mutation of the schema, what somebody does in one world."""
