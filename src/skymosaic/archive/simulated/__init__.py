"""Simulated WFC3/IR exposures of a mosaic like that of HST proposal 12812, as a source."""
