"""PostgreSQL: connections, hosts and standbys, Citus, and turns at a row."""
