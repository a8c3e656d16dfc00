"""The Gaia catalogue: of a TAP server, and of partitioned files."""
