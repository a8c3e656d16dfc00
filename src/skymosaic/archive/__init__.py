"""Where exposures come from."""
