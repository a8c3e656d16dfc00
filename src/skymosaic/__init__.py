"""Sky-matched mosaics of HST exposures: retrieve, align, drizzle once per skymethod, compare."""

from importlib.metadata import version

__version__ = version("skymosaic")
