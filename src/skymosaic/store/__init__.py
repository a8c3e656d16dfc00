"""Where products live: one interface, a class per kind of place."""
