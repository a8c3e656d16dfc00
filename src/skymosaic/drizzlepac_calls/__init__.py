"""The one door to drizzlepac: the calling side, the server, and what its children do."""
