"""The engine onepass: the mosaics of all sky methods from one drizzle."""
