"""A small comparison with everything in it, for tests of the report."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np

from skymosaic.evidence.advice import Advice, Finding
from skymosaic.evidence.evidence import Evidence
from skymosaic.evidence.graph import OverlapGraph
from skymosaic.evidence.residuals import MethodQuality, PairDifference, Residual, Seam
from skymosaic.report.comparison import ComparisonInput
from skymosaic.report.contents import Missing, RunFacts
from skymosaic.report.parts import PARTS
from skymosaic.report.sheet import sheet
from skymosaic.sky.values import SkyValue

SKIES = {
    "localmin": {"a": 100.0, "b": 120.0, "c": 90.0},
    "match": {"a": 0.0, "b": 20.0, "c": None},
    "globalmin": {"a": 90.0, "b": 90.0, "c": 90.0},
    "globalmin+match": {"a": 90.0, "b": 110.0, "c": 90.0},
}
GROUPS = [["a", "b"], ["c"]]
SQUARE = np.array([[0.0, 0.0], [0.1, 0.0], [0.1, 0.1], [0.0, 0.1]])
POLYGONS = {"a": [SQUARE], "b": [SQUARE + 0.05], "c": [SQUARE + 2.0]}
PAIRS = {("a", "b"): 32400.0}
SOURCE = "horse & <head>"


def table(title, **columns):
    """Return a sheet of columns given as (unit, description, values)."""
    kinds = {
        name: (type(values[0]), unit, description)
        for name, (unit, description, values) in columns.items()
    }
    return sheet(title, kinds, zip(*(values for *_, values in columns.values()), strict=True))


def checks(*, agree=True):
    rows = [
        (method, name, 1, sky, sky, sky or 0.0, agree or (method, name) != ("match", "b"))
        for method, skies in SKIES.items()
        for name, sky in skies.items()
    ]
    columns = {
        "method": (str, None, "sky method"),
        "rootname": (str, None, "exposure"),
        "chip": (int, None, "EXTVER"),
        "header": (float, "electron / s", "in the header"),
        "hdrtab": (float, "electron / s", "in HDRTAB"),
        "log": (float, "electron / s", "in the log"),
        "agree": (bool, None, "whether they agree"),
    }
    return sheet("Checks", columns, rows)


def known_run(**changes):
    """Return what a run knows of itself; `changes`: tables by name, or other values."""
    tables = {
        "exposures": table(
            "Exposures",
            rootname=(None, "exposure", ["a", "b", "c"]),
            exptime=("s", "exposure time", [702.9, 702.9, 652.9]),
        ),
        "alignment": table(
            "Alignment",
            tile=(None, "drizzled image", ["tile1", "tile2"]),
            status=(None, "status", ["reference", "aligned"]),
            rms_ra=("mas", "rms", [float("nan"), 7.25]),
        ),
        "gates": table("Gates", name=(None, "gate", ["matches"]), passed=(None, "passed", [2])),
        "vectors": table(
            "Vectors",
            tile=(None, "tile", ["tile2"] * 3),
            ra=("deg", "RA", [0.01, 0.05, 0.09]),
            dec=("deg", "Dec", [0.01, 0.05, 0.02]),
            east=("mas", "east", [3.0, -4.0, 1.0]),
            north=("mas", "north", [1.0, 0.5, -2.0]),
        ),
        "checks": checks(),
        "steps": table("Steps", step=(None, "step", ["runs/match"]), seconds=("s", "time", [12.5])),
    }
    values = {
        "campaign": SOURCE,
        "created": "2024-02-29 12:00 UTC",
        "aligned": True,
        "output_grid": {"shape": (40, 50)},
        "transfers": {"moved / needed": 1.0},
        "versions": {"drizzlepac": "3.11.0"},
        "mosaics": {"globalmin+match": "runs/globalmin_match/x_drz_sci.fits"},
        "parameters": {"AstroDrizzle": {"final_bits": 64}},
        "campaign_file": "name: horsehead\n# </pre></script><script>alert(1)</script>\n",
        "warnings": ["the guide star was lost"],
    }
    named = {part.name: part for part in PARTS}
    tables |= {name: changes.pop(name) for name in list(changes) if name in named}
    found = {named[name]: table for name, table in tables.items()}
    return RunFacts(**{**values, "tables": found, **changes})


BARE = RunFacts(campaign="bare", created="today", aligned=False)
BROKEN = Missing("drizzle match", "failed", "SkyError: the records disagree")


def runs(skies=SKIES):
    return {m: [SkyValue(n, 1, v, 1.0) for n, v in row.items()] for m, row in skies.items()}


def mosaics(skies=SKIES):
    base = np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32)
    base[:3, :4] = np.nan
    return {method: base + i for i, method in enumerate(skies)}


def quality(method, error):
    worst = Residual(method, "a", "b", error / 2, 0.001, 0.1)
    return MethodQuality(
        method=method,
        residual_rms=error / 3,
        residual_rms_error=0.001,
        largest=worst,
        worst_exposure="a",
        worst_exposure_residual=error / 2,
        largest_seam=None,
        seam_rms=None,
        flatness=0.01,
        background=0.0,
        background_error=0.001,
        negative_share=0.0,
        subtracted=90.0,
        imposed=0.0,
        estimated_error=error,
        estimated_error_error=0.002,
        undetermined=(),
    )


ERRORS = {"localmin": 0.2, "match": 0.85, "globalmin": 0.19, "globalmin+match": 0.03}


def evidence(verdict="method", methods=("globalmin+match",)):
    """Return what was measured in the one overlap of the exposures."""
    ranking = sorted(((m, e, 0.002) for m, e in ERRORS.items()), key=lambda row: row[1])
    return Evidence(
        unit="electron / s",
        pixel_scale=0.13,
        cell=1.0,
        differences=[PairDifference("b", "a", 20.0, 0.001, 0.02, 0.03, 0.0, 40, 4000)],
        residuals={m: [Residual(m, "b", "a", e / 2, 0.001, 0.1)] for m, e in ERRORS.items()},
        seams={m: [Seam(m, "a", ("b",), e, 0.01, None, 9, 0.05, 0.05)] for m, e in ERRORS.items()},
        quality={m: quality(m, e) for m, e in ERRORS.items()},
        graph=OverlapGraph((("a", "b"), ("c",)), (), (), (), ()),
        advice=Advice(
            verdict=verdict,
            methods=methods,
            sentence="It is off by 0.03 e-/s from what <this> field calls for.",
            sure="Every other method is worse by at least 58 standard errors.",
            margin=58.0,
            ranking=ranking,
            findings=[
                Finding("separate-groups", "warning", "c hangs in the air", {"groups": 2}),
                Finding("level", "note", "match leaves 0.85 e-/s everywhere", {"level": 0.85}),
            ],
        ),
    )


def data(skies=SKIES, **changes):
    """Return what is compared."""
    values = {
        "runs": runs(skies),
        "groups": GROUPS,
        "polygons": POLYGONS,
        "images": mosaics(skies),
        "pairs": PAIRS,
        "evidence": evidence(),
    }
    return ComparisonInput(**{**values, **changes})


class Page(HTMLParser):
    """Collects what a reader of a page meets."""

    VOID = ("meta", "img", "br", "link", "input")

    def __init__(self, text):
        super().__init__()
        self.open, self.sources, self.alts, self.tags, self.text = [], [], [], [], ""
        self.ids, self.links = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        values = dict(attrs)
        if "id" in values:
            assert values["id"] not in self.ids
            self.ids.add(values["id"])
        if tag == "img":
            self.alts.append(values.get("alt", ""))
        self.sources += [values["src"]] if "src" in values else []
        self.links += [values["href"]] if "href" in values else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data
