"""How one engine checks the other."""
