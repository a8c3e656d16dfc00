"""What Gaia would have of the simulated stars: a catalogue with its errors and its gaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from astropy.table import MaskedColumn, Table

from skymosaic.archive.simulated import pointing
from skymosaic.archive.simulated.ccd import headers as ccd_headers
from skymosaic.archive.simulated.ccd import pointing as ccd_pointing
from skymosaic.archive.simulated.ccd.scene import stars_near as ccd_stars_near
from skymosaic.archive.simulated.headers import distorted_wcs
from skymosaic.archive.simulated.motions import CATALOGUE_EPOCH
from skymosaic.archive.simulated.plane import FloatArray
from skymosaic.archive.simulated.pointing import plan_exposure
from skymosaic.archive.simulated.scene import Stars, stars_near
from skymosaic.archive.simulated.seeds import generator
from skymosaic.archive.simulated.simulation import Simulation

_ZERO_POINT = 26.0  # mag of 1 e-/s
_FAINTEST = 21.0  # mag
# Of Gaia EDR3 (Gaia Collaboration 2021, A&A 649, A1): mag, and error of positions (mas), proper
# motions (mas/yr) and parallaxes (mas) at 2016.0.
_MAGS = (9.0, 15.0, 17.0, 20.0, 21.0)
_POSITION = (0.02, 0.02, 0.05, 0.4, 1.0)
_MOTION = (0.02, 0.03, 0.07, 0.5, 1.4)
_PARALLAX = (0.02, 0.03, 0.07, 0.5, 1.3)
_COMPLETE = ((9.0, 18.0, 20.0, 21.0), (0.98, 0.95, 0.85, 0.5))
"""Mag, and what part of the stars the catalogue has."""
_WITHOUT_MOTION = ((9.0, 19.0, 21.0), (0.01, 0.03, 0.3))
"""Mag, and what part of those has a position only."""
_BAD = 0.03
"""What part has a RUWE above 1.4, and positions that are worse than their errors tell."""
_WORSE = 10.0
_SAME = 1e-9  # degrees: a star that two exposures see is drawn twice alike


def gaia_catalogue(simulations: Sequence[Simulation]) -> Table:
    """Return a catalogue of the stars in the exposures of simulations of one seed.

    Parameters
    ----------
    simulations : sequence of Simulation
        Of one scene: the first one's seed and motions are those of the catalogue.

    Returns
    -------
    Table
        With the names and units of Gaia's archive; positions at the epoch 2016.0. What Gaia does
        not know of a star is masked.
    """
    stars = _stars_of(simulations)
    mag = _ZERO_POINT - 2.5 * np.log10(stars.flux)
    random = generator(simulations[0].seed, "gaia")
    there = (mag <= _FAINTEST) & (random.uniform(size=mag.size) < np.interp(mag, *_COMPLETE))
    motion = np.broadcast_to(np.asarray(stars.motion, dtype=float), (2, mag.size))[:, there]
    ra, dec, mag = stars.ra[there], stars.dec[there], mag[there]
    bad = random.uniform(size=mag.size) < _BAD
    silent = random.uniform(size=mag.size) < np.interp(mag, *_WITHOUT_MOTION)
    position, moving, far = (_errors(mag, each) for each in (_POSITION, _MOTION, _PARALLAX))
    noise = random.normal(size=(5, mag.size))
    off = noise[:2] * position * np.where(bad, _WORSE, 1.0)

    def known(values: FloatArray) -> MaskedColumn:
        return MaskedColumn(values, mask=silent)

    table = Table(
        {
            "source_id": np.arange(mag.size, dtype=np.int64) + 1,
            "ra": ra + off[0] / 3.6e6 / np.cos(np.radians(dec)),
            "dec": dec + off[1] / 3.6e6,
            "ref_epoch": np.full(mag.size, CATALOGUE_EPOCH),
            "ra_error": position,
            "dec_error": position,
            "pmra": known(motion[0] + noise[2] * moving),
            "pmdec": known(motion[1] + noise[3] * moving),
            "pmra_error": known(moving),
            "pmdec_error": known(moving),
            "parallax": known(noise[4] * far),
            "parallax_error": known(far),
            "phot_g_mean_mag": mag,
            "ruwe": known(np.where(bad, 1.4 + random.exponential(1.0, mag.size), 1.0)),
        }
    )
    for name, unit in _UNITS.items():
        table[name].unit = unit
    return table


_UNITS = {
    **dict.fromkeys(("ra", "dec"), "deg"),
    "ref_epoch": "yr",
    **dict.fromkeys(("ra_error", "dec_error", "parallax", "parallax_error"), "mas"),
    **dict.fromkeys(("pmra", "pmdec", "pmra_error", "pmdec_error"), "mas / yr"),
    "phot_g_mean_mag": "mag",
}


def _errors(mag: FloatArray, errors: Sequence[float]) -> FloatArray:
    return np.asarray(10 ** np.interp(mag, _MAGS, np.log10(errors)))


def _stars_of(simulations: Sequence[Simulation]) -> Stars:
    """Return the stars that the exposures see, each once, from south to north."""
    seen = [stars for simulation in simulations for stars in _seen(simulation)]
    ra, dec, flux = (np.concatenate([getattr(one, name) for one in seen]) for name in _PLACES)
    motion = np.concatenate(
        [np.broadcast_to(np.asarray(one.motion, dtype=float), (2, one.ra.size)) for one in seen],
        axis=1,
    )
    _, first = np.unique(
        np.rint(np.stack([dec, ra]) / _SAME).astype(np.int64), axis=1, return_index=True
    )
    return Stars(ra[first], dec[first], flux[first], 0.0, motion[:, first])


_PLACES = ("ra", "dec", "flux")


def _seen(simulation: Simulation) -> Iterator[Stars]:
    """Yield the stars near each chip of each exposure."""
    if simulation.is_ccd:
        for visit in ccd_pointing.visits_of(simulation):
            for dither in range(len(ccd_pointing.rootnames_of(simulation, visit))):
                for view in ccd_pointing.plan_exposure(simulation, visit, dither).views:
                    wcs = ccd_headers.distorted_wcs(view.chip, view.true_wcs)
                    yield ccd_stars_near(simulation, wcs, view.chip.shape)
        return
    for visit in pointing.visits_of(simulation):
        for dither in range(len(pointing.rootnames_of(simulation, visit))):
            exposure = plan_exposure(simulation, visit, dither)
            yield stars_near(simulation, distorted_wcs(exposure.true_wcs))
