"""What was done before a mosaic was there, in plain words: HISTORY of its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skymosaic.align.alignment import Alignment
from skymosaic.drizzle.cells import Cell
from skymosaic.drizzle.memory import Engine
from skymosaic.drizzle.onepass.parameters import final_of
from skymosaic.drizzle.order import label
from skymosaic.drizzle.parameters import has_cr_steps
from skymosaic.host.counting import counted
from skymosaic.hst.exposure import Exposure
from skymosaic.pipeline.results import AlignResult, Planned


def history_of(aligned: AlignResult, planned: Planned, engine: Engine, sky: str) -> tuple[str, ...]:
    """Return the steps that led to a mosaic, a paragraph each.

    Parameters
    ----------
    aligned, planned
        What these steps gave.
    engine : {'astrodrizzle', 'onepass'}
        Which made the mosaic.
    sky : str
        Where its sky is from, as `sky_of` says it.
    """
    columns, rows = planned.grid.shape
    parameters = planned.order.parameters
    final = final_of(parameters)
    looked_for = has_cr_steps(parameters)
    drizzled = "AstroDrizzle" if engine == "astrodrizzle" else "engine onepass, a sum over chips"
    paragraphs = (
        f"inspect: {_exposures(aligned.exposures)}.",
        f"align: {_alignment(aligned.alignment)}",
        f"plan: one grid of {columns} x {rows} pixels of {planned.grid.scale:.6g} arcsec for the "
        "mosaics of all sky methods.",
        f"sky: {sky}",
        f"drizzle: {drizzled}; kernel {final['kernel']}, pixfrac {final['pixfrac']:g}, weights "
        f"{final['wht_type']}. Cosmic rays were {'' if looked_for else 'not '}looked for.",
    )
    return ("Steps of skymosaic:", *paragraphs)


def cell_history(
    cell: Cell, exposures: Sequence[Exposure], parameters: Mapping[str, Any], sky: str
) -> tuple[str, ...]:
    """Return the steps that led to a mosaic of a cell, a paragraph each.

    Of the rest of the campaign they say nothing: it changes, and the cell does not.

    Parameters
    ----------
    cell : Cell
        Which.
    exposures : sequence of Exposure
        Those that touch it.
    parameters : mapping
        AstroDrizzle's.
    sky : str
        Where its sky is from, as `sky_of` says it.
    """
    columns, rows = cell.grid.shape
    final = final_of(parameters)
    looked_for = has_cr_steps(parameters)
    paragraphs = (
        f"plan: cell {cell.name}, {columns} x {rows} pixels of {cell.grid.scale:.6g} arcsec; "
        f"{_exposures(exposures)}, those that touch it.",
        f"sky: {sky} Skies and masks are those of all exposures of the campaign together.",
        f"drizzle: engine onepass, a sum over chips; kernel {final['kernel']}, pixfrac "
        f"{final['pixfrac']:g}, weights {final['wht_type']}. Cosmic rays were "
        f"{'' if looked_for else 'not '}looked for.",
    )
    return ("Steps of skymosaic:", *paragraphs)


def sky_of(method: str | None, engine: Engine, *, ours: bool) -> str:
    """Return where the sky of a mosaic is from, a sentence.

    Parameters
    ----------
    method : str or None
        The sky method; None: the campaign file gives the values.
    engine : {'astrodrizzle', 'onepass'}
        Which made the mosaic.
    ours : bool
        Whether AstroDrizzle does not know the method.
    """
    if method is None:
        return "the values of the campaign file were subtracted."
    if engine == "onepass":
        return f"measured and subtracted by skymosaic as {method}; MDRIZSKY in HDRTAB."
    if ours:
        return f"{method}, measured by skymosaic, subtracted by AstroDrizzle; MDRIZSKY in HDRTAB."
    return f"{method}, measured and subtracted by AstroDrizzle; MDRIZSKY in HDRTAB."


def _exposures(exposures: Sequence[Exposure]) -> str:
    kinds = sorted({f"{label((e.instrument, e.detector))} {e.filter}".strip() for e in exposures})
    verb = "was" if len(exposures) == 1 else "were"
    return f"{counted(len(exposures), 'exposure')} of {', '.join(kinds)} {verb} taken"


def _alignment(alignment: Alignment | None) -> str:
    if alignment is None:
        return "none; the exposures have the WCS that they came with."
    sentence = f"TweakReg aligned {counted(len(alignment.order), 'tile')} to "
    sentence += f"{alignment.order[0]}; TweakBack moved the exposures."
    if alignment.kept:
        sentence += f" Not aligned, and kept: {', '.join(alignment.kept)}."
    if alignment.dropped:
        sentence += f" Not aligned, and left out: {', '.join(alignment.dropped)}."
    return sentence
