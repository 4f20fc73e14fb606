"""Synchronous standbys: what to do so that nothing answered is lost when one is promoted.

PostgreSQL commits here first, and then waits for its standby. Whoever ends that wait, by a timeout
or by hand, gets a commit that is here alone, with no more than a warning. So a wait that was ended
counts as no answer; and whatever is written again, because its answer was lost, ends with a commit
that waits, even if it finds all of it stored.
"""

# Where PostgreSQL warns that it goes on without its standby. The text is in the server's language.
WAIT = "SyncRepWaitForLSN"

# Something that is written. Its commit comes after all that was committed before, and waits for it.
WRITE_AHEAD = "SELECT pg_logical_emit_message(true, 'parley', '')"
