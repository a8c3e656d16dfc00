"""What every source of exposures offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from skymosaic.hst.facts import FileFacts


@dataclass(frozen=True)
class Parcel:
    """What one task retrieves: a file, or files that are made together."""

    name: str
    """A safe name, unique in the campaign."""
    identity: Mapping[str, Any]
    """Plain values that change when the content does."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Software that the content depends on."""
    facts: FileFacts | None = None
    """What groups of a program are told apart by; None where it is not known."""
    files: tuple[str, ...] = ()
    """Names of its exposures and drizzled images, where they are other than the parcel's."""

    @property
    def images(self) -> tuple[str, ...]:
        """Names of its exposures and drizzled images, such as ``ibxl54bgq_flt.fits``."""
        return self.files or (f"{self.name}.fits",)


class Source(Protocol):
    """A place that exposures come from."""

    @property
    def left_out(self) -> Sequence[str]:
        """What `parcels` left out, and why; a line for each file."""

    def parcels(self) -> list[Parcel]:
        """Return what there is to retrieve, sorted by name.

        Raises
        ------
        InputError
            There is nothing, or it does not belong together.
        """

    def fetch(self, parcel: Parcel, folder: Path, log: Path) -> int:
        """Put the files of a parcel into `folder`, named by their ROOTNAMEs.

        Parameters
        ----------
        parcel : Parcel
            One of `parcels`.
        folder : Path
            Empty.
        log : Path
            File for what tools print.

        Returns
        -------
        int
            Largest resident set of a drizzlepac process that was needed, bytes; 0 for none.

        Raises
        ------
        InputError
            A file cannot be had, or is not what `parcels` said.
        """
