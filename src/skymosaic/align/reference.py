"""Stars with known places and motions, and where they are seen at an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from astropy import units as u
from astropy.coordinates import Distance, SkyCoord, get_body_barycentric
from astropy.time import Time
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

_FASTEST = 948.0  # km/s: no star of the Galaxy moves faster
_AU_A_YEAR = 4.740470463  # km/s: an arcsec a year at a parallax of an arcsec
_SMALLEST_PARALLAX = 1e-3  # mas: how far a star is whose parallax is unknown or not positive


@dataclass(frozen=True)
class Unknown:
    """What stands in where a catalogue is silent about a star."""

    motion: float = 5.0
    """Standard deviation of a proper motion in either axis, mas/yr."""
    position: float = 10.0
    """Standard deviation of a position in either axis, mas."""


@dataclass(frozen=True)
class Places:
    """Where stars are seen at one epoch: arrays of one length."""

    ra: Numbers
    """Degrees."""
    dec: Numbers
    """Degrees."""
    ra_error: Numbers
    """Standard deviation along RA, times cos(Dec), mas."""
    dec_error: Numbers
    """Standard deviation along Dec, mas."""


@dataclass(frozen=True)
class Reference:
    """Stars that images are aligned to: arrays of shape (n,), NaN where something is unknown.

    Positions and motions are those of the ICRS.
    """

    name: str
    """Of the catalogue, such as 'GAIA DR3'; it goes into headers."""
    ra: Numbers
    """At `epoch`, degrees."""
    dec: Numbers
    """At `epoch`, degrees."""
    epoch: Numbers
    """Of each star's position, Julian years; NaN: that of whatever image is looked at."""
    ra_error: Numbers
    """Standard deviation along RA, times cos(Dec), mas."""
    dec_error: Numbers
    """Standard deviation along Dec, mas."""
    pmra: Numbers
    """Proper motion along RA, times cos(Dec), mas/yr."""
    pmdec: Numbers
    """Proper motion along Dec, mas/yr."""
    pmra_error: Numbers
    pmdec_error: Numbers
    parallax: Numbers
    """Mas."""
    parallax_error: Numbers
    mag: Numbers
    """Of the band that the catalogue is ordered by; of Gaia: G."""

    def __len__(self) -> int:
        return len(self.ra)

    @property
    def has_motion(self) -> NDArray[np.bool_]:
        """Whether the proper motion of each star is known."""
        return np.asarray(np.isfinite(self.pmra) & np.isfinite(self.pmdec))

    def select(self, which: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Reference:
        """Return some of the stars, by a mask or by indices."""
        return replace(self, **{name: getattr(self, name)[which] for name in COLUMNS})


COLUMNS: tuple[str, ...] = tuple(one.name for one in fields(Reference) if one.name != "name")
"""Names of the arrays of a `Reference`."""


def reference_of(name: str, **columns: Numbers | Sequence[float] | float) -> Reference:
    """Return a reference from some of its columns; numbers are those of every star.

    Parameters
    ----------
    name : str
    **columns
        By the names in `COLUMNS`; `ra`, `dec` and `epoch` must be there, the rest is unknown.
    """
    size = np.size(columns["ra"])
    nothing = dict.fromkeys(COLUMNS, float("nan"))
    return Reference(
        name,
        **{
            column: np.array(np.broadcast_to(np.asarray(value, dtype=float), size))
            for column, value in {**nothing, **columns}.items()
        },
    )


def join(name: str, references: Sequence[Reference]) -> Reference:
    """Return the stars of several references as one."""
    return Reference(
        name,
        **{column: np.concatenate([getattr(r, column) for r in references]) for column in COLUMNS},
    )


def at_epoch(
    reference: Reference, epoch: float | Numbers, unknown: Unknown | None = None
) -> Places:
    """Return where the stars are seen from the Earth at an epoch, and how well that is known.

    Parameters
    ----------
    reference : Reference
    epoch : float or array of shape (n,)
        Julian year (TDB), such as that of the middle of an exposure; an array: of each star.
    unknown : Unknown or None
        What stands in for errors and motions that the catalogue does not give; None: the defaults.

    Notes
    -----
    A star without a proper motion stays where it was, and its error grows by `unknown.motion` a
    year. Errors grow as those of independent numbers: the variance is
    ``error**2 + (years * motion error)**2 + (parallax factor * parallax error)**2``. Catalogues
    with correlations between these (Gaia's, mostly below 0.3) have slightly other ones.

    Proper motion is carried by `SkyCoord.apply_space_motion`: a straight line in space, without
    radial velocity. That does not have the yearly ellipse of the parallax, which is added here
    (van Leeuwen 2007, `Hipparcos, the New Reduction`, and Urban & Seidelmann 2013, `Explanatory
    Supplement`, section 7.2.2.3), with the Earth's place from the barycentre of the solar system.
    That of the telescope differs from it by 5e-5 au, which is never seen.
    """
    unknown = Unknown() if unknown is None else unknown
    years = np.nan_to_num(epoch - reference.epoch)
    ra, dec = _moved(reference, years)
    along_ra, along_dec = _parallax_factors(ra, dec, epoch)
    parallax = np.nan_to_num(reference.parallax)
    ra = ra + parallax * along_ra / 3.6e6 / np.cos(np.radians(dec))
    dec = dec + parallax * along_dec / 3.6e6
    # The error of a parallax that is unknown is small beside that of the motion.
    of_parallax = np.nan_to_num(reference.parallax_error)
    moving = reference.has_motion
    errors = []
    for position, motion, factor in (
        (reference.ra_error, reference.pmra_error, along_ra),
        (reference.dec_error, reference.pmdec_error, along_dec),
    ):
        start = np.where(np.isfinite(position), position, unknown.position)
        a_year = np.where(moving & np.isfinite(motion), motion, unknown.motion)
        errors.append(np.sqrt(start**2 + (years * a_year) ** 2 + (factor * of_parallax) ** 2))
    return Places(ra % 360.0, dec, *errors)


def _moved(reference: Reference, years: Numbers) -> tuple[Numbers, Numbers]:
    """Return RA and Dec in degrees, after some years of proper motion."""
    moving = reference.has_motion
    pmra, pmdec = (np.where(moving, one, 0.0) for one in (reference.pmra, reference.pmdec))
    if not len(reference):
        return reference.ra, reference.dec
    # Of a star that is too far for its motion, apply_space_motion changes the distance and warns.
    nearest = np.hypot(pmra, pmdec) * _AU_A_YEAR / _FASTEST
    parallax = np.fmax(np.fmax(reference.parallax, nearest), _SMALLEST_PARALLAX)
    stars = SkyCoord(
        ra=reference.ra * u.deg,
        dec=reference.dec * u.deg,
        distance=Distance(parallax=parallax * u.mas),
        pm_ra_cosdec=pmra * u.mas / u.yr,
        pm_dec=pmdec * u.mas / u.yr,
        radial_velocity=np.zeros(len(reference)) * u.km / u.s,
    )
    later = stars.apply_space_motion(dt=years * u.yr)
    # What does not move keeps its coordinates to the last digit.
    still = (pmra == 0) & (pmdec == 0)
    return (
        np.where(still, reference.ra, later.ra.deg),
        np.where(still, reference.dec, later.dec.deg),
    )


def _parallax_factors(ra: Numbers, dec: Numbers, epoch: float | Numbers) -> tuple[Numbers, Numbers]:
    """Return how far a star is seen along RA (times cos(Dec)) and Dec, for each mas of parallax."""
    # Stars of one image share an epoch: the Earth's place is asked for once each.
    epochs, number = np.unique(epoch, return_inverse=True)
    earth = get_body_barycentric("earth", Time(epochs, format="jyear", scale="tdb"), "builtin")
    x, y, z = earth.xyz.to_value(u.au)[:, number.reshape(np.shape(epoch))]
    a, d = np.radians(ra), np.radians(dec)
    return (
        x * np.sin(a) - y * np.cos(a),
        (x * np.cos(a) + y * np.sin(a)) * np.sin(d) - z * np.cos(d),
    )
