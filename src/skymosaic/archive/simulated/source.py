"""Simulated exposures as source: a parcel is a visit, with its association's drizzled image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from skymosaic.archive.base import Parcel
from skymosaic.archive.simulated.drizzled import parameters
from skymosaic.archive.simulated.exposures import (
    Simulation,
    association_name,
    facts_of,
    simulate_visit,
    visit_files,
)
from skymosaic.archive.simulated.names import IR_FILTER
from skymosaic.errors import ComputeError, InputError, OutOfMemoryError, SkymosaicError, StoreError
from skymosaic.versions import versions


class _Call(Protocol):
    @property
    def peak_memory(self) -> int: ...


@dataclass(frozen=True)
class SimulatedArchive:
    """An archive that makes what is asked for.

    Parameters
    ----------
    simulations : sequence of Simulation
        What to make: one of each filter.
    call : callable
        Runs a function of `drizzlepac_calls`: the door to drizzlepac, which an archive does not
        know of itself.
    mixed : bool
        Whether there may be several filters: a mosaic takes one.
    """

    simulations: Sequence[Simulation]
    call: Callable[[str, Path, dict[str, Any], Path], _Call]
    mixed: bool = False
    left_out: tuple[str, ...] = ()

    def parcels(self) -> list[Parcel]:
        """Return a parcel for each visit, sorted by name.

        Raises
        ------
        InputError
            There are several filters where a mosaic is made of all.
        """
        filters = sorted({each.ir_filter for each in self.simulations})
        if len(filters) > 1 and not self.mixed:
            raise InputError(
                f"source.filters has {', '.join(filters)}; keep one, or write `groups: {{}}` for a "
                "mosaic of each"
            )
        parcels = [
            Parcel(
                visit,
                {**_identity(simulation), "visit": visit},
                versions(),
                facts_of(simulation, visit),
                (*_exposures(simulation, visit), _drizzled(simulation, visit)),
            )
            for visit, simulation in self._visits().items()
        ]
        return sorted(parcels, key=lambda parcel: parcel.name)

    def _visits(self) -> dict[str, Simulation]:
        """Return the simulation of each visit; visits of two filters have different names."""
        return {visit: each for each in self.simulations for visit in visit_files(each)}

    def fetch(self, parcel: Parcel, folder: Path, log: Path) -> int:
        """Make the exposures of a visit with their truth, and drizzle them as the archive does."""
        simulation = self._visits()[parcel.name]
        simulate_visit(simulation, parcel.name, folder)
        work = log.parent
        names = _exposures(simulation, parcel.name)
        for name in names:  # AstroDrizzle changes the headers of its input
            (work / name).write_bytes((folder / name).read_bytes())
        output = association_name(parcel.name)
        try:
            done = self.call(
                "astrodrizzle",
                work,
                {
                    "files": names,
                    "output": output,
                    "parameters": {**parameters(simulation), "runfile": f"{output}.log"},
                },
                log,
            )
        except (ComputeError, OutOfMemoryError, StoreError):  # not the exposures' fault
            raise
        except SkymosaicError as error:
            raise InputError(f"the drizzled image of {parcel.name} was not made: {error}") from None
        drizzled = _drizzled(simulation, parcel.name)
        (work / drizzled).rename(folder / drizzled)
        return done.peak_memory


def _identity(simulation: Simulation) -> dict[str, Any]:
    """Return what the content of a simulation's files depends on.

    What older versions did not know is left out where it has its default: their stores stay valid.
    """
    identity = {**asdict(simulation), "kind": "simulated"}
    if simulation.is_ccd or simulation.filter == IR_FILTER:
        del identity["filter"]
    if not simulation.is_ccd:
        for name in ("instrument", "chip_step", "sky", "cosmic_rays"):
            del identity[name]
    if not simulation.detector.any:
        del identity["detector"]
    for name in ("motion", "epochs"):
        if not identity[name]:
            del identity[name]
    return identity


def _exposures(simulation: Simulation, visit: str) -> list[str]:
    suffix = "flc" if simulation.is_ccd else "flt"
    return [f"{rootname}_{suffix}.fits" for rootname in visit_files(simulation)[visit]]


def _drizzled(simulation: Simulation, visit: str) -> str:
    return f"{association_name(visit)}_{'drc' if simulation.is_ccd else 'drz'}.fits"
