"""The page for people: one HTML file that needs no network and prints well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2
from bokeh.model import Model

from skymosaic.host.counting import counted
from skymosaic.host.shown import shown_lines
from skymosaic.methods import ascribed
from skymosaic.report import matrix, parts, scatter, skymap, vectors
from skymosaic.report.contents import Report
from skymosaic.report.embedding import as_item, bokeh_script
from skymosaic.report.mdrizsky import DESCRIPTIONS, method_columns
from skymosaic.report.pictures import (
    Picture,
    Scale,
    as_uri,
    difference_pictures,
    mosaic_pictures,
    thumbnail,
)
from skymosaic.report.sheets import sheets
from skymosaic.report.verdict import advised_warnings, facts, verdict
from skymosaic.report.view import sky_view, table_view, text_of, typeset

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
class Chart:
    """A figure of the page: interactive, and as a picture for print."""

    name: str
    item: str
    """What Bokeh embeds."""
    picture: str
    """The same figure as a ``data:`` URI."""
    alt: str
    caption: str


def html(report: Report, figures: Mapping[str, Path]) -> str:
    """Return the page.

    Parameters
    ----------
    report : Report
        Everything on the page; what is missing, the page says.
    figures : mapping of str to Path
        The figures as PNG: ``scatter``, ``footprints``, ``residuals``, ``vectors``; those there
        are.
    """
    mosaics, tones = _pictures(report)
    said = verdict(report)
    methods = [] if report.mdrizsky is None else list(method_columns(report.mdrizsky))
    charts = _charts(report, figures)
    checks = report.run.table(parts.CHECKS)
    tables = sheets(report)
    views = {
        part: table_view(part.name, tables[part.name], shown=part.form.format)
        for part in parts.PARTS
        if part.name in tables
    }
    return template("report.html.j2").render(
        report=report,
        run=report.run,
        verdict=said,
        facts=facts(report),
        warnings=[*advised_warnings(report), *report.warnings, *report.run.warnings],
        contents=CONTENTS,
        shown=next((one for one in mosaics if one.method == said.best), None),
        mosaics=mosaics,
        tones=tones,
        sky=sky_view(report),
        methods=methods,
        descriptions={method: DESCRIPTIONS[method] for method in methods},
        tables=_Known({part.name: view for part, view in views.items()}),
        listed={
            section: [(part, view) for part, view in views.items() if part.section == section]
            for section in CONTENTS
        },
        charts=_Known(charts),
        checks_bad=checks is not None and not all(map(bool, checks["agree"])),
        bokeh=bokeh_script() if charts else "",
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


def _pictures(report: Report) -> tuple[list[Picture], dict[str, Scale]]:
    if not report.images:
        return [], {}
    pictures, tone = mosaic_pictures(report.images, report.image_unit)
    tones = {"mosaic": tone}
    if len(report.images) > 1:
        more, tones["difference"] = difference_pictures(report.images, report.image_unit)
        pictures += more
    return pictures, tones


def _charts(report: Report, figures: Mapping[str, Path]) -> dict[str, Chart]:
    """Return the figures that there is something to draw for."""
    found: dict[str, tuple[Model, str, str]] = {}
    if report.mdrizsky is not None:
        found["scatter"] = (
            scatter.scatter_chart(report.mdrizsky),
            scatter.alternative(report.mdrizsky),
            "Point at a mark to see its exposure. Click on a method in the legend to hide it. The "
            "tools on the right move and zoom.",
        )
    if report.evidence is not None and report.evidence.differences:
        limit = matrix.scale_limit(report.evidence)
        found["residuals"] = (
            matrix.matrix_chart(report.evidence),
            matrix.alternative(report.evidence),
            "Each cell is the level of the row's exposure minus that of the column's exposure, "
            "after the sky was subtracted. The colours of all methods have the same scale, which "
            f"ends at ±{limit:.3g} {report.evidence.unit}. White is good; a row of one colour is "
            "an exposure that the method got wrong.",
        )
    if report.polygons:
        found["footprints"] = (
            skymap.sky_chart(report, _residuals_of_pairs(report)),
            f"Footprints of {counted(len(report.polygons), 'exposure')} on the sky with "
            f"{counted(len(report.pairs), 'link')} between those that overlap; the groups are "
            "listed below.",
            "Exposures of one colour overlap one another, directly or through others. The more "
            "area two exposures share, the wider is their link.",
        )
    residuals = report.run.table(parts.VECTORS)
    if residuals is not None and len(residuals):
        found["vectors"] = (
            vectors.vector_chart(residuals),
            vectors.alternative(residuals),
            "Each arrow shows how far a matched source still lies from the reference after its "
            "drizzled image was aligned. A pattern in the arrows of a tile is a distortion that "
            "the fit cannot remove.",
        )
    return {
        name: Chart(name, as_item(model), as_uri(figures[name].read_bytes()), alt, caption)
        for name, (model, alt, caption) in found.items()
        if name in figures
    }


def _residuals_of_pairs(report: Report) -> dict[tuple[str, str], str]:
    if report.evidence is None:
        return {}
    texts: dict[tuple[str, str], list[str]] = {}
    for method, residuals in report.evidence.residuals.items():
        for one in residuals:
            texts.setdefault((one.a, one.b), []).append(f"{method} {one.residual:+.3g}")
    return {pair: f"{', '.join(parts)} {report.evidence.unit}" for pair, parts in texts.items()}


def small_picture(report: Report) -> bytes | None:
    """Return the thumbnail of the mosaic of the advised method, a PNG; None without mosaics."""
    best = verdict(report).best
    return thumbnail(report.images, best) if best else None
