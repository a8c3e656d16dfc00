"""``python -m skymosaic``."""

from skymosaic.entry import skymosaic

if __name__ == "__main__":
    skymosaic()
