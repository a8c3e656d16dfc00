"""From aligned exposures to one mosaic per sky method."""
