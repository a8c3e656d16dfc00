"""What the skies of chips say, as findings of the advice."""

from __future__ import annotations

from collections.abc import Iterator

from skymosaic.evidence.advice import Finding
from skymosaic.evidence.chips_summary import ChipsSummary
from skymosaic.evidence.facts import Facts
from skymosaic.evidence.wording import listed, measured, some
from skymosaic.host.counting import counted
from skymosaic.hst.imagers import onepass_imagers
from skymosaic.methods import METHODS, OWN, ascribed
from skymosaic.sky.chip_models import PerChip


def find(facts: Facts) -> list[Finding]:
    """Return what each rule found."""
    chips = facts.chips
    if chips is None or chips.model is None:
        return []
    return [*_step(facts, chips), *_unknown(facts, chips)]


def _step(facts: Facts, chips: ChipsSummary) -> Iterator[Finding]:
    """Tell of chips that have skies of their own, and what takes it out of the mosaics."""
    if chips.model == "exposures":
        return
    # Where no overlap tells the step that all exposures share, its mean is that of no exposure.
    parts = [
        f"the sky of [SCI,{extver}] minus that of the first chip is "
        f"{measured(step, error, 5, '+')} e-/s ({abs(step) / error:.0f} sigma)"
        for extver, step, error in chips.mean
        if chips.known and error > 0
    ]
    mean = (
        f": in the mean of {counted(len(chips.steps), 'exposure')} {listed(parts)}" if parts else ""
    )
    relative = [
        f"{value:.1%} +- {error:.1%}"
        for value, error in chips.relative
        if value is not None and error is not None and abs(value) > 3.0 * error
    ]
    alike = (
        f". The step grows with the sky: it is {listed(relative)} of the sky" if relative else ""
    )
    largest = _largest(chips)
    how = (
        f" The step differs between exposures; the largest is that of {largest[0]}, "
        f"{measured(largest[1], largest[2], 5, '+')}."
        if chips.model == "chips" and largest is not None
        else ""
    )
    theirs = [method for method in METHODS if method in facts.quality]
    own = [ascribed(method) for method in OWN if method in facts.quality]
    taken = bool(own) and chips.used != "exposures"
    done = []
    if theirs:
        done.append(f"{listed(theirs)} subtract the same sky from all chips, so the step stays")
    if taken:
        done.append(f"{listed(own)} removed it (sky.per_chip: {_word(chips.per_chip)})")
    elif own:
        done.append(f"{listed(own)} left it, too: set sky.per_chip: true to remove it")
    else:
        done.append(
            f"to remove it, add match-differences to sky.methods (for {onepass_imagers()} only), "
            "with sky.per_chip: auto or true"
        )
    yield Finding(
        "chip-step",
        "note" if taken and not theirs else "warning",
        f"The chips of an exposure have different skies{mean}{alike}.{how} This is a step at the "
        f"gap between the chips, not a gradient. {'; '.join(done)}.",
        {
            "model": chips.model,
            "used": chips.used,
            "mean": chips.mean,
            "relative": chips.relative,
            "chance": chips.chance_step,
            "chance_each": chips.chance_chips,
            "steps": chips.steps,
        },
    )


def _largest(chips: ChipsSummary) -> tuple[str, float, float] | None:
    each = [(name, step, error) for name, rows in chips.steps.items() for _, step, error in rows]
    return max(each, key=lambda one: abs(one[1]), default=None)


def _unknown(facts: Facts, chips: ChipsSummary) -> Iterator[Finding]:
    """Tell where no overlap relates the chips of an exposure."""
    names = chips.undetermined
    if not names:
        return
    own = [ascribed(method) for method in OWN if method in facts.quality]
    if chips.known:
        what = "their step is assumed to be that of the other exposures"
    else:
        what = "it is not known whether their skies differ, and no method can measure it"
    errors = (
        f"; the errors of {listed(own)} include a step as large as the one between the medians of "
        "the chips"
        if own and chips.per_chip is not False
        else ""
    )
    yield Finding(
        "chip-step-unknown",
        "note",
        f"No overlap links the chips of {some(names)}: no dither crosses the gap between them, and "
        f"no other exposure lies across it. So {what}{errors}.",
        {"exposures": names},
    )


def _word(per_chip: PerChip | None) -> str:
    return str(per_chip).lower()
