"""``python -m skymosaic.cli``."""

from skymosaic.cli.entry import skymosaic

if __name__ == "__main__":
    skymosaic()
