"""Reports made from what a store holds, of a run that is whole or of one that broke off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from skymosaic.errors import DamagedError, MissingError, SkyError
from skymosaic.host import scratch
from skymosaic.hst.units import header_unit
from skymosaic.journal.runs import RunState, last_status
from skymosaic.pipeline.comparison import comparison_input, first_warnings, read_vectors
from skymosaic.pipeline.drizzle import read_previews
from skymosaic.pipeline.finished import FinishedSteps
from skymosaic.pipeline.results import COMPARISON
from skymosaic.pipeline.tables import run_facts
from skymosaic.report.comparison import assemble, draw_figures, write_documents
from skymosaic.report.contents import Missing, Report
from skymosaic.report.invariants import check_invariants, failures
from skymosaic.report.mdrizsky import axis_label, format_table
from skymosaic.report.parts import CHECKS
from skymosaic.results.reading import read_finished_steps
from skymosaic.steps.bench import Bench
from skymosaic.steps.place import Place

FORMS = ("html", "json", "md")
PARTIAL = "partial-report"
"""Name of the report of a run that broke off; a comparison that finishes removes it."""


def report_text(place: Place, form: str) -> str:
    """Return the report of a campaign.

    Parameters
    ----------
    place : Place
        The campaign's.
    form : str
        One of `FORMS`.

    Returns
    -------
    str
        The report that the last run wrote; of a run that broke off, or that was made before there
        were reports of this form, one made now from what the store holds.

    Raises
    ------
    MissingError
        There is no campaign.
    StoreError
        The store cannot be read.
    """
    found = read_finished_steps(place)
    stored = None if found.comparison is None else found.comparison.products.get(f"report.{form}")
    if stored is not None and not found.missing:
        with place.store.open(stored) as file:
            return file.read().decode("utf-8")
    with scratch.folder(place.scratch, "report") as root:
        bench = Bench(place, root)
        files = _write(bench, make_report(bench, found))
        return next(path for path in files if path.suffix == f".{form}").read_text("utf-8")


@dataclass(frozen=True)
class Partial:
    """The report of a run that broke off."""

    address: str
    """Where the page is."""
    table: str
    """MDRIZSKY of the methods that have finished, as text."""
    title: str
    """What the table holds, with its unit; empty where there is none."""
    missing: Sequence[str]
    """What is missing, and why."""


def write_partial(place: Place) -> Partial:
    """Write the report of a run that broke off into the store.

    Raises
    ------
    MissingError
        There is no campaign.
    StoreError
        The store cannot be read or written.
    """
    found, folder = read_finished_steps(place), COMPARISON.step().folder
    with scratch.folder(place.scratch, "report") as root:
        bench = Bench(place, root)
        report = make_report(bench, found)
        for path in _write(bench, report):
            place.store.put(path, place.key(folder, path.name))
    return Partial(
        address=place.store.address(place.key(folder, f"{PARTIAL}.html")),
        table="no sky method has finished"
        if report.mdrizsky is None
        else format_table(report.mdrizsky),
        title="" if report.mdrizsky is None else axis_label(report.mdrizsky),
        missing=[
            f"{one.part}: {one.state}{f', {one.why}' if one.why else ''}"
            for one in report.run.missing
        ],
    )


def _write(bench: Bench, report: Report) -> Sequence[Path]:
    drawn = draw_figures(bench.scratch, report, pdf=False)
    figures = {name: paths[0] for name, paths in drawn.items()}
    return write_documents(bench.out, report, figures, stem=PARTIAL)


def make_report(bench: Bench, found: FinishedSteps) -> Report:
    """Return the report of what there is; nothing is measured anew.

    Parameters
    ----------
    bench : Bench
        Where products are fetched to.
    found : FinishedSteps
        What the store knows of the campaign.
    """
    missing = [*found.missing, *_of_the_run(found)]
    unit = header_unit(found.exposures)
    run = run_facts(
        found,
        first_warnings(found),
        unit=unit,
        vectors=read_vectors(bench, found.aligned),
        missing=missing,
    )
    data = comparison_input(found, read_previews(bench, found.drizzled))
    try:
        invariants = check_invariants(data.runs, data.groups) if data.runs else []
        broken = failures(invariants)
    except SkyError as error:
        invariants, broken = [], str(error)
    if broken:
        # No number is shown that is known to be wrong.
        why = f"the sky values contradict each other and are not shown: {broken}"
        run = replace(
            run,
            tables={part: table for part, table in run.tables.items() if part != CHECKS},
            missing=[*missing, Missing("compare", "failed", why)],
        )
        data = replace(data, runs={}, images={})
    return assemble(data, run, invariants)


def _of_the_run(found: FinishedSteps) -> list[Missing]:
    """Return what ended the last run, where no step tells it."""
    try:
        status = last_status(found.place)
    except DamagedError as damaged:
        return [Missing("run", "unknown", f"it is not known how it ended: {damaged}")]
    if status is None or status.state in (RunState.DONE, RunState.RUNNING):
        return []
    error = status.error
    if error is None:
        why = "it was interrupted; `skymosaic restart` resumes it"
        return [Missing("run", status.state.word, why)] if found.missing else []
    why = f"{error['class']}: {error['message']}"
    if any(one.why == why for one in found.missing):
        return []
    return [Missing("run", status.state.word, why)]


def require_form(form: str) -> str:
    """Return `form` if it is one of `FORMS`.

    Raises
    ------
    MissingError
        It is not.
    """
    if form not in FORMS:
        raise MissingError(f"there is no report as {form!r}; forms are {', '.join(FORMS)}")
    return form
