"""Ask MAST what it has, through astroquery."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from skymosaic.archive.mast.files import ArchiveFile, file_name
from skymosaic.archive.twins import KINDS, uncorrected_twins
from skymosaic.errors import InputError, UnreachableError
from skymosaic.host.counting import counted

if TYPE_CHECKING:
    from astropy.table import Table

_SHOWN = 5


@dataclass(frozen=True)
class Query:
    """What is wanted of the archive; None and empty mean: any."""

    proposal_id: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    instrument: tuple[str, ...] = ()
    """Such as ``WFC3/IR``."""
    target: tuple[str, ...] = ()
    obs_id: tuple[str, ...] = ()
    """Names of observations; ``*`` stands for anything."""
    coordinates: str | None = None
    """Centre of a region, as astropy reads it."""
    radius: float = 0.2
    """Radius of the region, degrees."""
    start: float | None = None
    """Earliest start of an observation, MJD."""
    end: float | None = None
    """Latest start of an observation, MJD."""
    projects: tuple[str, ...] = ("CALWF3", "CALACS")
    """What made the products: the calibration pipelines (CALWF3, CALACS, ...), or HAP's mosaics."""
    kinds: tuple[str, ...] = KINDS
    min_files: int = 1
    max_files: int = 2000

    def criteria(self) -> dict[str, Any]:
        """Return astroquery's criteria."""
        wanted: dict[str, Any] = {
            "obs_collection": ["HST"],
            "proposal_id": list(self.proposal_id),
            "filters": list(self.filters),
            "instrument_name": list(self.instrument),
            "target_name": list(self.target),
            "obs_id": list(self.obs_id),
        }
        if self.start is not None or self.end is not None:
            wanted["t_min"] = [self.start or 0.0, self.end if self.end is not None else 1e6]
        if self.coordinates is not None:
            wanted |= {"coordinates": self.coordinates, "radius": self.radius}
        return {name: value for name, value in wanted.items() if value not in ([], None)}


def server() -> str:
    """Return the address of MAST: astroquery's setting ``[mast] server``."""
    from astroquery.mast import conf

    return str(conf.server)


@dataclass(frozen=True)
class Found:
    """What a query found."""

    files: list[ArchiveFile]
    """Sorted by name."""
    refused: list[str]
    """Why entries of the archive's list were refused: names that are no HST products'."""
    starts: Mapping[str, float] = field(default_factory=dict)
    """By name, when an exposure began: MJD (days), where the archive tells it."""


def find(query: Query) -> Found:
    """Return the archive's files that a query asks for.

    Raises
    ------
    InputError
        There are none, fewer or more than the query allows.
    UnreachableError
        MAST does not answer.
    """
    observations = _observations(query)
    products = _products(observations)
    about = {str(row["obsid"]): row for row in observations}
    found: dict[str, ArchiveFile] = {}
    starts: dict[str, float] = {}
    refused: list[str] = []
    projects: set[str] = set()
    for row in products:
        if _text(row, "productSubGroupDescription") not in query.kinds:
            continue
        projects.add(_text(row, "project"))
        if _text(row, "project") not in query.projects:
            continue
        try:
            file = _file(row, about)
        except InputError as error:
            refused.append(str(error))
            continue
        # An exposure is a product of its own observation and of its association.
        if found.setdefault(file.name, file) is file:
            starts |= _start(file.name, row, about)
    for name in uncorrected_twins(found):
        del found[name]
    _check_count(query, len(found) + len(refused), projects)
    return Found(sorted(found.values(), key=lambda file: file.name), sorted(set(refused)), starts)


def _check_count(query: Query, count: int, projects: set[str]) -> None:
    if not query.min_files <= count <= query.max_files:
        others = ", ".join(sorted(projects - set(query.projects) - {""}))
        hint = f"; there are also products of {others} (source.projects)" if others else ""
        raise InputError(
            f"the query finds {counted(count, 'file')}, where {query.min_files} to "
            f"{query.max_files} are allowed (source.min_files, source.max_files): "
            f"{query.criteria()}{hint}"
        )


def _observation(row: Any, about: dict[str, Any]) -> Any:
    return about.get(_text(row, "parent_obsid"), about.get(_text(row, "obsID")))


def _start(name: str, row: Any, about: dict[str, Any]) -> dict[str, float]:
    observation = _observation(row, about)
    try:
        return {name: float(_text(observation, "t_min"))}
    except (AttributeError, ValueError):  # there is no observation, or it tells no number
        return {}


def _file(row: Any, about: dict[str, Any]) -> ArchiveFile:
    observation = _observation(row, about)
    released = _text(observation, "t_obs_release") if observation is not None else ""
    return ArchiveFile(
        name=file_name(_text(row, "dataURI")),
        size=int(row["size"]) if _text(row, "size") else 0,
        kind=_text(row, "productSubGroupDescription"),
        proposal=_text(row, "proposal_id"),
        target=_text(observation, "target_name") if observation is not None else "",
        instrument=_text(observation, "instrument_name") if observation is not None else "",
        filter=_text(observation, "filters") if observation is not None else "",
        rights=_text(row, "dataRights") or "PUBLIC",
        release=_date(released),
    )


def _text(row: Any, name: str) -> str:
    import numpy as np

    value = row[name] if name in row.colnames else ""
    return "" if value is np.ma.masked or value is None else str(value)


def _date(mjd: str) -> str:
    from astropy.time import Time

    try:
        return str(Time(float(mjd), format="mjd").isot[:10])
    except ValueError:
        return ""


def _observations(query: Query) -> Table:
    return _ask(lambda mast: mast.query_criteria(**query.criteria()), "query_criteria")


def _products(observations: Table) -> Table:
    if not len(observations):
        return []
    return _ask(lambda mast: mast.get_product_list(observations), "get_product_list")


def _ask(question: Any, name: str) -> Any:
    import requests
    from astroquery.exceptions import InvalidQueryError, NoResultsWarning, RemoteServiceError
    from astroquery.mast import ObservationsClass

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NoResultsWarning)  # said in our own words
            return question(ObservationsClass())
    except InvalidQueryError as error:
        raise InputError(f"MAST refuses the query: {error}") from None
    except (requests.RequestException, TimeoutError, RemoteServiceError) as error:
        why = " ".join(str(error).split())[:200]
        raise UnreachableError(
            f"MAST does not answer {name} ({type(error).__name__}: {why}); is it under "
            "maintenance? Try again later, or name its server in astroquery's configuration "
            "([mast] server)"
        ) from None
