"""A table of stars with the columns of Gaia's archive."""

from __future__ import annotations

import numpy as np
from astropy.table import MaskedColumn, Table


def gaia_stars(count: int = 400, ra: float = 85.0, dec: float = -2.4, size: float = 0.5) -> Table:
    """Return stars at random in a square of `size` degrees; a tenth has no motion."""
    random = np.random.default_rng(1)
    silent = np.arange(count) % 10 == 0
    east, north = random.uniform(-size / 2, size / 2, (2, count))

    def known(values: np.ndarray) -> MaskedColumn:
        return MaskedColumn(values, mask=silent)

    return Table(
        {
            "source_id": np.arange(count, dtype=np.int64) * 7 + 10**18,
            "ra": (ra + east / np.cos(np.radians(dec))) % 360.0,
            "dec": dec + north,
            "ref_epoch": np.full(count, 2016.0),
            "ra_error": np.full(count, 0.1),
            "dec_error": np.full(count, 0.2),
            "pmra": known(random.normal(0, 5, count)),
            "pmdec": known(random.normal(0, 5, count)),
            "pmra_error": known(np.full(count, 0.1)),
            "pmdec_error": known(np.full(count, 0.1)),
            "parallax": known(random.normal(1, 0.1, count)),
            "parallax_error": known(np.full(count, 0.1)),
            "phot_g_mean_mag": random.uniform(12, 21, count),
            "ruwe": known(np.where(np.arange(count) % 7 == 1, 2.0, 1.0)),
        }
    )
