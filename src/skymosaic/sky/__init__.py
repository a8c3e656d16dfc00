"""Pure functions on sky values and footprints; no files."""
