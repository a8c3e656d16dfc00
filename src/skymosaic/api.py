"""What a run made, for programs and notebooks: ``skymosaic.load("store/horsehead-demo")``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from os import PathLike, fspath
from typing import Any

import numpy as np
from astropy.io import ascii
from astropy.table import Table
from numpy.typing import NDArray

from skymosaic.config import Campaign
from skymosaic.errors import MissingError
from skymosaic.evidence.advice import Advice
from skymosaic.host import scratch
from skymosaic.host.counting import counted
from skymosaic.pipeline.finished import FinishedSteps
from skymosaic.pipeline.results import DrizzleResult
from skymosaic.pipeline.sentences.absent import why_absent, why_no_method
from skymosaic.pipeline.sentences.verified import verified
from skymosaic.report.contents import Missing
from skymosaic.results.mosaics import Mosaic, StoredCell, read_image, read_mosaic
from skymosaic.results.reading import find_run, read_finished_steps
from skymosaic.steps.bench import Bench
from skymosaic.steps.finished import Finished
from skymosaic.store import Product

__all__ = ["Mosaic", "Run", "StoredCell", "load"]


class Run:
    """A campaign in a store, whole or not; made by `load`.

    Everything is read when it is asked for, and its checksum verified. Tables are astropy tables
    whose columns have units and descriptions; ``.to_pandas()`` makes data frames of them.
    """

    def __init__(self, findings: FinishedSteps) -> None:
        self._found = findings

    def __repr__(self) -> str:
        state = (
            "complete"
            if self.complete
            else f"incomplete: {counted(len(self.missing), 'part')} missing"
        )
        return f"<Run of {self.name} ({state}) in {self.address}>"

    @property
    def name(self) -> str:
        """The campaign's name; of a group of a program, with the program's."""
        return self._found.place.campaign

    @property
    def address(self) -> str:
        """Where its products are."""
        return self._found.place.store.address(self.name)

    @property
    def campaign(self) -> Campaign:
        """The campaign file, resolved."""
        return self._found.campaign

    @property
    def missing(self) -> Sequence[Missing]:
        """What failed, was not run, or is out of date."""
        return self._found.missing

    @property
    def complete(self) -> bool:
        """Whether all steps have finished and fit together."""
        return not self.missing and self._found.comparison is not None

    @property
    def methods(self) -> tuple[str, ...]:
        """The sky methods that have finished."""
        return tuple(self._found.drizzled)

    @property
    def mdrizsky(self) -> Table:
        """The sky of each chip, electrons/s: ``rootname``, ``chip``, and a column a method.

        Where the data are in counts also ``exptime``, and MDRIZSKY as in the headers, such as
        ``match_mdrizsky``.
        """
        return self.table("mdrizsky")

    @property
    def differences(self) -> Table:
        """The sky of each method minus that of the reference, electrons/s."""
        return self.table("differences")

    @property
    def exposures(self) -> Table:
        """What is known of each exposure."""
        return self.table("exposures")

    @property
    def alignment(self) -> Table | None:
        """How each drizzled image was aligned; None where nothing was to be."""
        return None if self.campaign.align.method == "none" else self.table("alignment")

    @property
    def checks(self) -> Table:
        """What header, HDRTAB and log say of each sky value (engine astrodrizzle)."""
        return self.table("checks")

    @property
    def static_masks(self) -> Table:
        """How many pixels of each chip the static mask leaves out of all exposures."""
        return self.table("static_masks")

    @property
    def verified(self) -> Sequence[str]:
        """What was verified of the sky values and mosaics, and how; what was not."""
        return verified(self._found)

    @property
    def steps(self) -> Table:
        """What each step took: time, memory, bytes."""
        return self.table("steps")

    @property
    def colours(self) -> Mapping[str, str]:
        """Where the colour pictures are, PNG, by field: those of a program; or that show a group.

        Empty where the campaign file asks for none.
        """
        from skymosaic.results.colours import colours_of

        place = self._found.place
        return {
            field: place.store.address(done.products[done.result.picture].key)
            for field, done in colours_of(place).items()
        }

    @property
    def cells(self) -> Mapping[str, StoredCell]:
        """The mosaics of cells, by the cells' names; empty where the campaign has none.

        Those that have finished, where the run broke off.
        """
        place = self._found.place
        finished = [one for one in self._found.each_cell if one.result.mosaics]
        return {one.result.cell.name: StoredCell.of(place, one) for one in finished}

    @property
    def advice(self) -> Advice | None:
        """Which method to use, how sure that is, and why; None where that was not measured."""
        comparison = self._found.comparison
        evidence = None if comparison is None else comparison.result.evidence
        return None if evidence is None else evidence.advice

    def residuals(self, method: str | None = None) -> Table:
        """Return what is left between the exposures of each pair once their skies are subtracted.

        Parameters
        ----------
        method : str, optional
            One sky method; default: all of them.

        Raises
        ------
        MissingError
            That was not measured, or the method was not run.
        """
        table = self.table("residuals")
        if method is None:
            return table
        self._require_method(method)
        return table[[str(one) == method for one in table["method"]]]

    def table(self, name: str) -> Table:
        """Return a table of the report by its name, that of its ECSV file.

        Raises
        ------
        MissingError
            There is none of that name; the message tells why, where the campaign file turned off
            what it is made of, and lists those that there are.
        """
        comparison = self._found.comparison
        stored = None if comparison is None else comparison.products.get(f"{name}.ecsv")
        if stored is not None:
            return ascii.read(self._read(stored).decode("utf-8"), format="ecsv")
        if name not in self._assembled_tables:
            known = set(self._assembled_tables)
            if comparison is not None:
                files = [file for file in comparison.products if file.endswith(".ecsv")]
                known |= {file.removesuffix(".ecsv") for file in files}
            listed = ", ".join(sorted(known)) or "none"
            why = f" ({reason})" if (reason := why_absent(self._found, name)) else ""
            raise MissingError(f"{self.address} has no table {name!r}{why}; there are: {listed}")
        return self._assembled_tables[name]

    def mosaic(self, method: str) -> Mosaic:
        """Return the mosaic of a sky method with its weight map and, where made, its error plane.

        Raises
        ------
        MissingError
            The method was not run, or has not finished.
        """
        run = self._require_method(method)
        return read_mosaic(self._found.place, method, run.products, run.result)

    def preview(self, method: str) -> NDArray[np.float32]:
        """Return the mosaic of a sky method, reduced to 1200 pixels; NaN where there is no data.

        Raises
        ------
        MissingError
            The method was not run, or has not finished.
        """
        run = self._require_method(method)
        return read_image(self._found.place, run.products[run.result.preview])

    def report(self, form: str = "html") -> str:
        """Return the report as ``html``, ``json`` or ``md``."""
        from skymosaic.results import reporting

        return reporting.report_text(self._found.place, reporting.require_form(form))

    @cached_property
    def _assembled_tables(self) -> Mapping[str, Table]:
        """Tables of a run that broke off, or of one that an older version made."""
        from skymosaic.report.sheets import sheets
        from skymosaic.results import reporting

        place = self._found.place
        with scratch.folder(place.scratch, "tables") as root:
            return sheets(reporting.make_report(Bench(place, root), self._found))

    def _require_method(self, method: str) -> Finished[DrizzleResult]:
        if method not in self._found.drizzled:
            why = why_no_method(self._found, method)
            raise MissingError(
                f"{self.address} has no finished run of {method!r}; there are: "
                f"{', '.join(self.methods) or 'none'}. {why}".rstrip()
            )
        return self._found.drizzled[method]

    def _read(self, product: Product) -> bytes:
        with self._found.place.store.open(product) as file:
            return file.read()


def load(run: str | PathLike[str], **s3: Any) -> Run:
    """Return a campaign that a store holds.

    Parameters
    ----------
    run : str or path
        ``STORE/CAMPAIGN``, a folder or ``s3://BUCKET/PREFIX`` and the campaign's name in it; of a
        group also its folder, such as ``STORE/PROGRAM/PROPOSAL/TARGET/FILTER``.
    **s3
        How to reach a bucket: ``profile``, ``region``, ``endpoint_url``, ``unsigned``.

    Raises
    ------
    CampaignError
        It does not name a store and a campaign.
    MissingError
        There is no campaign.
    StoreError
        The store cannot be read.

    Examples
    --------
    >>> import skymosaic
    >>> run = skymosaic.load("store/horsehead-demo")  # doctest: +SKIP
    >>> run.mdrizsky.to_pandas()  # doctest: +SKIP
    """
    return Run(read_finished_steps(find_run(fspath(run), s3)))
