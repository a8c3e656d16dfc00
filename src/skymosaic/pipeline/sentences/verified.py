"""What was verified of a run's sky values and mosaics, and how, in sentences for each engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from skymosaic.evidence.wording import listed
from skymosaic.host.counting import counted
from skymosaic.methods import ascribed

if TYPE_CHECKING:
    from skymosaic.drizzle.checks.witness import Agreement
    from skymosaic.pipeline.finished import FinishedSteps
    from skymosaic.pipeline.results import DrizzleResult, EnginesResult, WitnessResult
    from skymosaic.steps.finished import Finished


def verified(found: FinishedSteps) -> list[str]:
    """Return what was verified of a run, and what was not, a sentence or a few each."""
    if not found.drizzled:
        return []
    onepass = found.campaign.drizzle.engine == "onepass"
    sentences = [] if onepass else _records(found.drizzled)
    if found.witness is not None:
        sentences.append(witness_sentence(found.witness.result))
    elif onepass:
        why = (
            "the witness has not finished"
            if found.campaign.drizzle.has_witness
            else "drizzle.witness is false"
        )
        sentences.append(f"No part of the mosaics was compared with AstroDrizzle's: {why}.")
    if found.engines is not None:
        sentences.append(engines_sentence(found.engines.result))
    return [text[:1].upper() + text[1:] for text in sentences]


def check_lines(
    witness: Finished[WitnessResult] | None, engines: Finished[EnginesResult] | None
) -> list[str]:
    """Return what the engines say of each other, for a terminal."""
    lines = []
    if witness is not None:
        lines.append(f"{witness.step}: {witness_sentence(witness.result)}")
    if engines is not None:
        lines.append(f"{engines.step}: {engines_sentence(engines.result)}")
    return lines


def _records(runs: Mapping[str, Finished[DrizzleResult]]) -> list[str]:
    checks = [run.result.checks for run in runs.values()]
    if any(one is None for one in checks):  # an older version kept none
        return []
    every = [check for one in checks if one is not None for check in one]
    good = sum(check.agree for check in every)
    return [
        f"{good} of {counted(len(every), 'sky value')}: three records of AstroDrizzle agree, "
        "MDRIZSKY in the header of the exposure, MDRIZSKY in HDRTAB of the mosaic, and what its "
        "log says was subtracted; and no run fell back to another method."
    ]


def witness_sentence(result: WitnessResult) -> str:
    """Return what the witness of either engine found, from the result of its step."""
    its, window = result.methods, result.window
    if window is None:
        return (
            f"each of {counted(len(its), 'mosaic')} agrees with what onepass predicts from the "
            f"MDRIZSKY values in its headers; {_largest(its)}."
        )
    names = listed(list(window.exposures))
    size = f"{window.columns} x {window.rows} pixels"
    place = (
        f"(columns {window.x + 1} to {window.x + window.columns}, rows {window.y + 1} "
        f"to {window.y + window.rows})"
    )
    masks = "the pixels that onepass had masked"
    if result.cosmic_rays:
        masks += " as too low or hit by cosmic rays"
    how = f"the MDRIZSKY values in their headers, and left out {masks}"
    if window.whole:
        said = (
            f"AstroDrizzle itself made {size} {place} of each of {counted(len(its), 'mosaic')} "
            f"again. It used the exposures that cover these pixels ({names}), {how}"
        )
    else:
        said = (
            "more than 12 exposures cover each place, so the mosaics themselves were not "
            f"compared. Instead, AstroDrizzle and onepass each drizzled {names} to {size} {place}, "
            f"for each of {counted(len(its), 'mosaic')}. Both used {how}"
        )
    parts = [f"{said}; {_largest(its)}."] if its else []
    if result.left_out:
        parts.append(
            f"Not compared: {listed([ascribed(one) for one in result.left_out])}, because "
            "AstroDrizzle cannot subtract planes."
        )
    return " ".join(parts)


def _largest(its: Mapping[str, Agreement]) -> str:
    worst = max(its, key=lambda method: its[method].largest)
    if not any(one.pixels for one in its.values()):
        return "no pixel there is good in any exposure, so nothing was compared"
    return (
        f"the largest difference is {its[worst].largest:.2g} ({worst}), the rms "
        f"{its[worst].rms:.2g}, the noise {its[worst].noise:.2g}"
    )


def engines_sentence(result: EnginesResult) -> str:
    """Return by how much both engines differ; methods with masks of their own are told apart.

    With steps against cosmic rays AstroDrizzle finds masks under each method, and onepass has
    those of one method for all: under the others the mosaics differ by more than rounding.
    """
    its, masks_of = result.methods, result.masks_of
    alike = {masks_of: its[masks_of]} if masks_of in its else its
    sky, mosaic, part, weight = (
        max((getattr(one, name) for one in alike.values()), default=0.0)
        for name in ("sky", "mosaic", "mosaic_in_tolerance", "weight")
    )
    condition = f"under {masks_of}, where both mask the same pixels, " if alike is not its else ""
    said = (
        f"on {counted(len(result.exposures), 'exposure')} {condition}astrodrizzle and onepass "
        f"differ at most by {sky:.2g} e-/s in sky, {mosaic:.2g} in the mosaics' unit ({part:.2g} "
        f"of what is allowed), {weight:.2g} relative in weight"
    )
    others = [method for method in its if method not in alike]
    if not others:
        return f"{said}."
    sky = max(its[method].sky for method in others)
    mosaic = max(its[method].mosaic for method in others)
    return (
        f"{said}. Under {listed(others)} AstroDrizzle may find other cosmic rays: "
        f"the skies differ at most by {sky:.2g} e-/s, single pixels of the mosaics by up to "
        f"{mosaic:.2g}."
    )
