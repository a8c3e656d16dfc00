"""The page for people: one HTML file that needs no network and prints well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import jinja2

from skymosaic.evidence.residuals import LEAST_STENCILS
from skymosaic.host.counting import counted
from skymosaic.host.shown import shown_lines
from skymosaic.methods import ascribed
from skymosaic.report import parts
from skymosaic.report.chart import Chart
from skymosaic.report.charts import chart_of
from skymosaic.report.contents import Report
from skymosaic.report.embedding import bokeh_script
from skymosaic.report.figure_input import FigureInput
from skymosaic.report.long_tables import MOST_BYTES, Rows, shortened, shortened_table, within
from skymosaic.report.mdrizsky import DESCRIPTIONS, method_columns
from skymosaic.report.pictures import PagePictures, best_picture, page_pictures, thumbnail
from skymosaic.report.sheets import sheets
from skymosaic.report.verdict import advised_warnings, facts, verdict
from skymosaic.report.view import TableView, sky_view, text_of, typeset

MOST_GROUPS = 20  # that the page lists
MOST_MEMBERS = 60  # exposures of a group that it names

CONTENTS = {
    "mosaics": "Mosaics",
    "mdrizsky": "MDRIZSKY",
    "residuals": "Residuals",
    "footprints": "Footprints",
    "checks": "Checks",
    "alignment": "Alignment",
    "exposures": "Exposures",
    "provenance": "Provenance",
    "steps": "Time and memory",
    "files": "For programs",
}


@dataclass(frozen=True)
class Page:
    """The page, and what stands beside it."""

    text: str
    scripts: Mapping[str, str]
    """Rows of large tables, by the end of the file's name: the page's own with ``-NAME.js``."""


def make_page(
    report: Report,
    figures: Mapping[str, Path],
    stem: str = "report",
    most_bytes: int = MOST_BYTES,
    charts: Mapping[str, Chart | None] = MappingProxyType({}),
    pictures: PagePictures | None = None,
) -> Page:
    """Return the page, and the scripts that it loads when a reader asks for rows.

    Parameters
    ----------
    report : Report
        Everything on the page; what is missing, the page says.
    figures : mapping of str to Path
        The figures as PNG: ``scatter``, ``footprints``, ``residuals``, ``vectors``; those there
        are.
    stem : str
        Name of the page's file without what tells the format.
    most_bytes : int
        Of the rows of long tables within the page.
    charts : mapping of str to Chart or None
        Figures that were made for the page before, by the same names; None: there is nothing to
        show.
    pictures : PagePictures, optional
        The mosaics, if they were made for the page before.
    """
    pictures = pictures or page_pictures(report.images, report.image_unit, len(report.polygons))
    said = verdict(report)
    methods = [] if report.mdrizsky is None else list(method_columns(report.mdrizsky))
    shown = {
        name: charts[name] if name in charts else chart_of(name, FigureInput.of(report), picture)
        for name, picture in figures.items()
    }
    charts = {name: chart for name, chart in shown.items() if chart is not None}
    checks = report.run.table(parts.CHECKS)
    tables = _tables(report, most_bytes)
    text = template("report.html.j2").render(
        report=report,
        run=report.run,
        verdict=said,
        facts=facts(report),
        warnings=[*advised_warnings(report), *report.warnings, *report.run.warnings],
        contents=CONTENTS,
        shown=best_picture(report.images, said.best) if said.best else None,
        mosaics=pictures.mosaics,
        tones=pictures.tones,
        sky=tables.sky,
        rows=_Known({name: one.packed for name, one in tables.within.items()}),
        beside=_Known({name: f"{stem}-{name}.js" for name in tables.beside}),
        methods=methods,
        descriptions={method: DESCRIPTIONS[method] for method in methods},
        tables=_Known({part.name: view for part, view in tables.views.items()}),
        listed={
            section: [
                (part, view) for part, view in tables.views.items() if part.section == section
            ]
            for section in CONTENTS
        },
        charts=_Known(charts),
        checks_bad=checks is not None and not all(map(bool, checks["agree"])),
        bokeh=bokeh_script() if charts else "",
        least_stencils=LEAST_STENCILS,
        most_groups=MOST_GROUPS,
        most_members=MOST_MEMBERS,
    )
    return Page(text, {f"-{name}.js": one.script() for name, one in tables.beside.items()})


@dataclass(frozen=True)
class _Tables:
    """The tables of the page, and the rows of long ones."""

    sky: TableView | None
    views: Mapping[parts.Part, TableView]
    within: Mapping[str, Rows]
    beside: Mapping[str, Rows]


def _tables(report: Report, most_bytes: int) -> _Tables:
    tables = sheets(report)
    found = {
        part: shortened_table(part.name, tables[part.name], part.form.format)
        for part in parts.PARTS
        # MDRIZSKY and its differences are shown as one.
        if part.name in tables and part not in (parts.MDRIZSKY, parts.DIFFERENCES)
    }
    view = sky_view(report)
    sky, of_sky = (None, None) if view is None else shortened(view)
    long = {one.name: one for one in (of_sky, *(rows for _, rows in found.values())) if one}
    inside = within(long, most_bytes)
    return _Tables(
        sky,
        {part: view for part, (view, _) in found.items()},
        {name: one for name, one in long.items() if name in inside},
        {name: one for name, one in long.items() if name not in inside},
    )


def template(name: str) -> jinja2.Template:
    """Return a template of the report."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("skymosaic.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_safe,
    )
    environment.filters["text"] = text_of
    environment.filters["typeset"] = typeset
    environment.filters["ascribed"] = ascribed
    environment.filters["counted"] = counted
    return environment.get_template(name)


def _safe(value: object) -> object:
    """Return what a template writes, safe to show; what is markup or a script is ours."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return shown_lines(value, indent="")
    return value


class _Known(dict[str, object]):
    """What there is; a template asks for the rest and gets None."""

    def __missing__(self, name: str) -> None:
        return None


def small_picture(report: Report) -> bytes | None:
    """Return the thumbnail of the mosaic of the advised method, a PNG; None without mosaics."""
    best = verdict(report).best
    return thumbnail(report.images, best) if best else None
