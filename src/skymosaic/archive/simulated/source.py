"""Simulated exposures as source: a parcel is a visit, with its association's drizzled image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from skymosaic.archive.base import Parcel
from skymosaic.archive.simulated.drizzled import parameters
from skymosaic.archive.simulated.exposures import (
    Simulation,
    association_name,
    simulate_visit,
    visit_files,
)
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
    simulation : Simulation
        What to make.
    call : callable
        Runs a function of `drizzlepac_calls`: the door to drizzlepac, which an archive does not
        know of itself.
    """

    simulation: Simulation
    call: Callable[[str, Path, dict[str, Any], Path], _Call]
    left_out: tuple[str, ...] = ()

    def parcels(self) -> list[Parcel]:
        """Return a parcel for each visit, sorted by name."""
        identity = {**asdict(self.simulation), "kind": "simulated"}
        if not self.simulation.is_ccd:  # stores made before there were others stay valid
            for name in ("instrument", "chip_step", "sky", "cosmic_rays"):
                del identity[name]
        return [
            Parcel(visit, {**identity, "visit": visit}, versions())
            for visit in sorted(visit_files(self.simulation))
        ]

    def fetch(self, parcel: Parcel, folder: Path, log: Path) -> int:
        """Make the exposures of a visit with their truth, and drizzle them as the archive does."""
        simulate_visit(self.simulation, parcel.name, folder)
        work = log.parent
        suffix, drizzled = ("flc", "drc") if self.simulation.is_ccd else ("flt", "drz")
        rootnames = visit_files(self.simulation)[parcel.name]
        names = [f"{rootname}_{suffix}.fits" for rootname in rootnames]
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
                    "parameters": {**parameters(self.simulation), "runfile": f"{output}.log"},
                },
                log,
            )
        except (ComputeError, OutOfMemoryError, StoreError):  # not the exposures' fault
            raise
        except SkymosaicError as error:
            raise InputError(f"the drizzled image of {parcel.name} was not made: {error}") from None
        (work / f"{output}_{drizzled}.fits").rename(folder / f"{output}_{drizzled}.fits")
        return done.peak_memory
