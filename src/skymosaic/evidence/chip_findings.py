"""What the skies of chips say, as findings of the advice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from skymosaic.evidence.advice import Finding
from skymosaic.evidence.facts import Facts
from skymosaic.evidence.wording import listed, measured, some
from skymosaic.hst.imagers import onepass_imagers
from skymosaic.methods import METHODS, OWN, ascribed


def find(facts: Facts) -> list[Finding]:
    """Return what each rule found."""
    chips = facts.chips
    if chips is None or chips["model"] is None:
        return []
    return [*_step(facts, chips), *_unknown(facts, chips)]


def _step(facts: Facts, chips: Mapping[str, Any]) -> Iterator[Finding]:
    """Tell of chips that have skies of their own, and what takes it out of the mosaics."""
    if chips["model"] == "exposures":
        return
    parts = [
        f"that of [SCI,{extver}] exceeds that of the first by {measured(step, error, 5, '+')} e-/s "
        f"({abs(step) / error:.0f} sigma)"
        for extver, step, error in chips["mean"]
        if error > 0
    ]
    relative = [
        f"{value:.1%} +- {error:.1%}"
        for value, error in chips["relative"]
        if value is not None and error is not None and abs(value) > 3.0 * error
    ]
    alike = f"; it grows with the sky, by {listed(relative)} of it" if relative else ""
    largest = _largest(chips["steps"])
    how = (
        f" It is another one in each exposure, the largest in {largest[0]}, "
        f"{measured(largest[1], largest[2], 5, '+')}."
        if chips["model"] == "chips" and largest is not None
        else ""
    )
    theirs = [method for method in METHODS if method in facts.quality]
    own = [ascribed(method) for method in OWN if method in facts.quality]
    taken = bool(own) and chips.get("used", "exposures") != "exposures"
    done = []
    if theirs:
        done.append(f"{listed(theirs)} subtract one sky from all chips, and leave the step")
    if taken:
        done.append(f"{listed(own)} took it out (sky.per_chip: {_word(chips['per_chip'])})")
    elif own:
        done.append(f"{listed(own)} left it, too: set sky.per_chip: true, which takes it out")
    else:
        done.append(
            f"add match-differences to sky.methods (of {onepass_imagers()} only): with "
            "sky.per_chip: auto or true it takes it out"
        )
    yield Finding(
        "chip-step",
        "note" if taken and not theirs else "warning",
        f"The chips of an exposure have skies of their own: {listed(parts)} in the mean of "
        f"{len(chips['steps'])} exposures{alike}.{how} This is a step at the gap between chips, no "
        f"gradient. {'; '.join(done)}.",
        {
            "model": chips["model"],
            "used": chips.get("used"),
            "mean": chips["mean"],
            "relative": chips["relative"],
            "chance": chips["chance_step"],
            "chance_each": chips["chance_chips"],
            "steps": chips["steps"],
        },
    )


def _largest(steps: Mapping[str, Any]) -> tuple[str, float, float] | None:
    each = [(name, step, error) for name, rows in steps.items() for _, step, error in rows]
    return max(each, key=lambda one: abs(one[1]), default=None)


def _unknown(facts: Facts, chips: Mapping[str, Any]) -> Iterator[Finding]:
    """Tell where no overlap relates the chips of an exposure."""
    names = chips["undetermined"]
    if not names:
        return
    own = [ascribed(method) for method in OWN if method in facts.quality]
    if chips["known"]:
        what = "their step is taken to be that of the other exposures"
    else:
        what = "whether their skies differ is not known, and none of the methods can tell"
    errors = (
        f"; the errors of {listed(own)} hold a step as large as that of the chips' own skies"
        if own and chips.get("per_chip") is not False
        else ""
    )
    yield Finding(
        "chip-step-unknown",
        "note",
        f"No overlap relates the chips of {some(names)} to each other: no dither crosses the gap, "
        f"and no other exposure lies across it. So {what}{errors}.",
        {"exposures": names},
    )


def _word(per_chip: bool | str) -> str:
    return str(per_chip).lower()
