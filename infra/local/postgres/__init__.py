"""A real Postgres for one user: the machine's own binaries, or those of a Python package, on 127.0.0.1 with a password."""
