"""The first screen: which method to use, how sure that is, and whether the run can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from skymosaic.evidence.advice import Advice
from skymosaic.host.counting import counted
from skymosaic.methods import FOOTNOTE, METHODS, OWN, ascribed
from skymosaic.report import parts
from skymosaic.report.card import AdvisedMosaic, Card, WorstPair
from skymosaic.report.contents import Report
from skymosaic.report.mdrizsky import method_columns

_NO_ADVICE = (
    "The overlaps of the exposures were not measured in this run, so there is no advice. The table "
    "and the mosaics below show how the methods differ; `skymosaic run` with this version measures "
    "what is missing."
)

_MEANS = {
    "localmin": "subtracts from each exposure the sky that is measured in it alone",
    "match": "makes the exposures agree where they overlap, and leaves the lowest of their skies",
    "globalmin": "subtracts one value from all exposures, the lowest sky among them",
    "globalmin+match": "makes the exposures agree where they overlap, then subtracts the lowest "
    "sky that is left",
    "match-differences": "makes the exposures agree where they overlap, as match does, but from "
    "differences of the same pixels of the mosaic's grid, and leaves the lowest of their skies",
    "globalmin+match-differences": "makes the exposures agree, from differences of the same "
    "pixels of the mosaic's grid, then subtracts the lowest sky that is left",
}
"""For readers who have not met the methods."""


@dataclass(frozen=True)
class Bar:
    """One method in the order of the advice."""

    method: str
    """Its name for people."""
    error: str
    """Its estimated error with the standard error of that."""
    share: float
    """Length of the bar, percent of the longest."""
    whisker: tuple[float, float]
    """From where to where the standard error reaches, percent."""
    best: bool


@dataclass(frozen=True)
class Fact:
    """One thing that tells whether the run is whole and sound."""

    text: str
    mark: str
    """good, bad, or empty."""
    section: str
    """The section that tells more."""


@dataclass(frozen=True)
class Verdict:
    """What stands on the first screen."""

    kind: str
    """method, no-difference, undetermined, or absent."""
    headline: str
    sentence: str
    sure: str
    means: str
    """What the methods that are advised do; empty where none is."""
    best: str
    """The method whose mosaic is shown; empty where there is none."""
    file: str
    """Where that mosaic is in the store, below the campaign's folder; empty where not known."""
    bars: Sequence[Bar]
    notes: Sequence[str]
    """Findings that are no warnings."""


def verdict(report: Report) -> Verdict:
    """Return the advice for the first screen."""
    order = ("match", "globalmin+match", "localmin", "globalmin", *OWN)
    shown = [method for method in order if method in report.images]
    if report.evidence is None:
        headline, sentence = _without_advice(report)
        return Verdict("absent", headline, sentence, "", "", next(iter(shown), ""), "", (), ())
    advice = report.evidence.advice
    best = next((m for m in (*advice.methods, *shown) if m in report.images), "")
    notes = [one.text for one in advice.findings if one.severity == "note"]
    headline = headline_of(advice.verdict, advice.methods)
    return Verdict(
        advice.verdict,
        headline,
        _without(advice.sentence, f"{headline}. "),
        advice.sure,
        _means(advice.methods),
        best,
        report.run.mosaics.get(best, ""),
        _bars(advice),
        notes,
    )


def _means(methods: Sequence[str]) -> str:
    if not methods:
        return ""
    meanings = "; ".join(f"{ascribed(method)} {_MEANS[method]}" for method in methods)
    parts = [f"{meanings}."]
    if any(method in METHODS for method in methods):
        parts.insert(0, "AstroDrizzle has four ways to take the sky out of a mosaic.")
    if any(method in OWN for method in methods):
        parts.append(f"{FOOTNOTE}.")
    return " ".join(parts)


def _without(sentence: str, start: str) -> str:
    """Return a sentence without a start that was said before."""
    rest = sentence.removeprefix(start)
    return rest[:1].upper() + rest[1:]


def _without_advice(report: Report) -> tuple[str, str]:
    if not report.run.missing:
        return "No advice for this run", _NO_ADVICE
    done = [] if report.mdrizsky is None else list(method_columns(report.mdrizsky))
    finished = f"Finished: {_joined(done)}." if done else "No sky method has finished."
    return (
        "This run is incomplete",
        f"There is no advice until all steps have run. {finished} What is missing, and why, is "
        "listed below. `skymosaic restart` resumes the campaign.",
    )


def headline_of(kind: str, methods: Sequence[str]) -> str:
    """Return the advice in a few words."""
    if kind == "method":
        return f"Use {ascribed(methods[0])}"
    if kind == "no-difference":
        return f"{_joined([ascribed(method) for method in methods])} are equally good"
    return "The data do not tell which method to use"


def advised_warnings(report: Report) -> list[str]:
    """Return the findings that are warnings."""
    if report.evidence is None:
        return []
    return [one.text for one in report.evidence.advice.findings if one.severity == "warning"]


def facts(report: Report) -> list[Fact]:
    """Return what tells whether the run is whole and sound, at a glance."""
    run = report.run
    found = []
    if run.missing:
        failed = sum(one.state == "failed" for one in run.missing)
        rest = len(run.missing) - failed
        counts = [f"{_steps(failed)} failed"] * (failed > 0)
        counts += [f"{_steps(rest)} not run"] * (rest > 0)
        found.append(Fact(f"incomplete: {', '.join(counts)}", "bad", "missing"))
    if (exposures := run.table(parts.EXPOSURES)) is not None:
        found.append(Fact(counted(len(exposures), "exposure"), "", "exposures"))
    if report.mdrizsky is not None:
        found.append(Fact(counted(len(method_columns(report.mdrizsky)), "method"), "", "mdrizsky"))
    if report.groups:
        one = len(report.groups) == 1
        text = "one overlap group" if one else f"{len(report.groups)} separate overlap groups"
        found.append(Fact(text, "good" if one else "bad", "footprints"))
    found += _alignment(report)
    checks, witness = run.table(parts.CHECKS), run.table(parts.WITNESS)
    if checks is not None and "agree" in checks.colnames:
        good, all_ = sum(map(bool, checks["agree"])), len(checks)
        text = f"{good} of {counted(all_, 'sky value')} verified"
        found.append(Fact(text, "good" if good == all_ else "bad", "checks"))
    if run.engine == "onepass":
        seen = 0 if witness is None else sum(n > 0 for n in witness["pixels"])
        text = f"{counted(seen, 'mosaic')} verified in part" if seen else "mosaics not verified"
        found.append(Fact(text, "good" if seen else "", "checks"))
    if report.invariants:
        good, all_ = sum(one.holds for one in report.invariants), len(report.invariants)
        text = f"{good} of {counted(all_, 'invariant holds', 'invariants hold')}"
        found.append(Fact(text, "good" if good == all_ else "bad", "invariants"))
    return found


def _steps(number: int) -> str:
    return f"{number} {'step' if number == 1 else 'steps'}"


def _alignment(report: Report) -> list[Fact]:
    table = report.run.table(parts.ALIGNMENT)
    if table is None:
        if report.run.aligned is not False:
            return []
        positions = report.run.table(parts.POSITIONS)
        apart = positions is not None and any(str(one) == "displaced" for one in positions["state"])
        text = "not aligned, and positions of stars differ" if apart else "not aligned"
        return [Fact(text, "bad" if apart else "", "alignment")]
    good = sum(str(status) in ("aligned", "reference") for status in table["status"])
    text = f"{good} of {counted(len(table), 'drizzled image')} aligned"
    return [Fact(text, "good" if good == len(table) else "bad", "alignment")]


def _bars(advice: Advice) -> list[Bar]:
    longest = max((error + spread for _, error, spread in advice.ranking), default=0.0) or 1.0

    def percent(value: float) -> float:
        return round(min(max(100.0 * value / longest, 0.0), 100.0), 2)

    return [
        Bar(
            ascribed(method),
            f"{error:.3g} ± {spread:.1g}",
            percent(error),
            (percent(error - spread), percent(error + spread)),
            method in advice.methods,
        )
        for method, error, spread in advice.ranking
    ]


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def card(report: Report) -> Card:
    """Return what a list of many reports tells of this one."""
    said = verdict(report)
    warnings = [*advised_warnings(report), *report.warnings, *report.run.warnings]
    worst = None
    if report.evidence is not None:
        # Of the advised method, or of the best one where none is advised.
        ranked = [method for method, _, _ in report.evidence.advice.ranking]
        for method in (*report.evidence.advice.methods, *ranked):
            quality = report.evidence.quality.get(method)
            if quality is not None and quality.largest is not None:
                worst = WorstPair(
                    method,
                    (quality.largest.a, quality.largest.b),
                    abs(quality.largest.residual),
                    quality.largest.error,
                    report.evidence.unit,
                )
                break
    advised = None
    if report.evidence is not None and said.best in report.evidence.advice.methods and said.file:
        advised = AdvisedMosaic(said.best, said.file)
    return Card(
        kind=said.kind,
        advised=advised,
        headline=said.headline,
        sure=said.sure,
        exposures=len(report.run.table(parts.EXPOSURES) or ()),
        groups=len(report.groups),
        worst=worst,
        warnings=len(warnings),
        first_warning=warnings[0] if warnings else "",
    )
