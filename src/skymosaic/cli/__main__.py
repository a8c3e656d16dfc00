"""``python -m skymosaic.cli``."""

from skymosaic.entry import skymosaic

if __name__ == "__main__":
    skymosaic()
