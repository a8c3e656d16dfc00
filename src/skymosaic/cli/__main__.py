"""``python -m skymosaic.cli``."""

from skymosaic.cli import main

if __name__ == "__main__":
    main()
