"""What a run finished, and all who tell of it: they agree on steps, counts, methods, failures."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import skymosaic as package
from skymosaic.host import scratch
from skymosaic.host.counting import counted
from skymosaic.report.documents import document
from skymosaic.results import reporting
from skymosaic.results.reading import find_run, read_finished_steps
from skymosaic.steps.bench import Bench
from tests.conftest import (
    REPOSITORY,
    environment_of_run,
    manifests,
    reading,
    skymosaic,
    write_campaign,
)
from tests.integration.test_programs import rename
from tests.mast_standin import Archive, configuration, mast_standin

FILES = (  # two tiles: two exposures of each, and their drizzled image
    *("ibxl51eoq_flt", "ibxl51etq_flt", "ibxl51030_drz"),
    *("ibxl54bgq_flt", "ibxl54blq_flt", "ibxl54030_drz"),
)
AROUND = {"retrieve": 6, "inspect": 1, "align": 1, "plan": 1, "positions": 1, "gather": 1}
STEPS = {*(f"pristine/{name}" for name in FILES), "inspection", "aligned", "plan", "positions"}
UNTOLD = (
    *("stars/", "cells/x", "low/", "static", "singles/", "measured/", "guesses/", "first"),
    *("equations/", "skies", "blocks/", "headers", "runs/variant_", "levels/", "evidence/"),
    *("figures/", "witnessed/"),
)
"""Steps that have no task of their own: others tell of them."""
PLANNED = {"plan", "positions"}
"""Of these, what is not there where the plan failed."""


@dataclass(frozen=True)
class Case:
    """A campaign, and what it should come to."""

    sections: Mapping[str, Any]
    methods: tuple[str, ...]
    kinds: Mapping[str, int]
    """Of the tasks, beside those that every campaign has."""
    steps: frozenset[str]
    """Likewise."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """By kind, the titles of the tasks that fail."""
    not_run: tuple[str, ...] = ()
    """Titles of the tasks that come after them."""

    @property
    def all_kinds(self) -> dict[str, int]:
        return {**AROUND, **self.kinds}


CHECKED = ("localmin", "match", "match-differences")
CASES = {
    "astrodrizzle, both checks, an own method": Case(
        {"drizzle": {"witness": True, "sample": 2}, "sky": {"methods": list(CHECKED)}},
        CHECKED,
        {"differences": 1, "drizzle": 3, "witness": 1, "engines": 1},
        frozenset(
            {"differences", "witness", "engines"}
            | {"runs/localmin", "runs/match", "runs/match_differences"}
        ),
    ),
    "onepass, a check, own methods, a variant": Case(
        {
            "drizzle": {"engine": "onepass", "sample": 2},
            "sky": {
                "methods": ["match", "globalmin+match-differences"],
                "variants": {"mode": {"method": "localmin", "parameters": {"skystat": "mode"}}},
            },
        },
        ("match", "globalmin+match-differences"),
        {"drizzle": 2, "witness": 1, "engines": 1},
        frozenset({"witness", "engines", "runs/match", "runs/globalmin_match_differences"}),
    ),
    "the plan fails": Case(
        {"drizzle": {"max_output_megapixels": 0.01, "sample": 2}, "sky": {"methods": ["match"]}},
        (),
        {"drizzle": 1, "engines": 1},
        frozenset(),
        {"plan": "plan"},
        ("compare positions", "drizzle match", "both engines", "gather"),
    ),
    "astrodrizzle, no checks, AstroDrizzle's methods": Case(
        {},
        ("localmin", "match", "globalmin", "globalmin+match"),
        {"drizzle": 4},
        frozenset(f"runs/{m}" for m in ("localmin", "match", "globalmin", "globalmin_match")),
    ),
    "onepass, no checks, an own method alone": Case(
        {
            "drizzle": {"engine": "onepass", "witness": False},
            "sky": {"methods": ["match-differences"]},
        },
        ("match-differences",),
        {"drizzle": 1},
        frozenset({"runs/match_differences"}),
    ),
    "onepass, cells": Case(
        {
            "drizzle": {
                "engine": "onepass",
                "witness": False,
                "grid": {"cells": {"layout": "square", "size": 2000}},
            },
            "sky": {"methods": ["localmin", "match"]},
        },
        ("localmin", "match"),
        {"drizzle": 2, "cells": 1},
        frozenset({"cells/index", "cells/x01y01", "runs/localmin", "runs/match"}),
    ),
    "onepass that cannot be planned": Case(
        {
            "drizzle": {"engine": "onepass", "max_output_megapixels": 0.01},
            "sky": {"methods": ["match", "match-differences"]},
        },
        (),
        {"drizzle": 2, "witness": 1},
        frozenset(),
        {"plan": "plan"},
        ("compare positions", "drizzle match", "drizzle match-differences", "witness", "gather"),
    ),
}
QUICK = list(CASES)[:3]


@dataclass(frozen=True)
class Watched:
    """A campaign that was run, and what was told of it meanwhile."""

    case: Case
    file: Path
    store: Path
    error: str | None
    events: list[dict[str, Any]]
    metrics: Mapping[str, float]

    @property
    def folder(self) -> Path:
        return self.store / self.file.stem

    def stages(self, metric: str) -> dict[str, float]:
        """Return the sums of a metric by stage, without zeros."""
        sums: Counter[str] = Counter()
        for name, value in self.metrics.items():
            if name.startswith(f"skymosaic_{metric}{{") and value:
                sums[re.search(r'stage="([^"]*)"', name)[1]] += value
        return dict(sums)


def watch(file: Path, store: Path, case: Case, env: Mapping[str, str] | None = None) -> Watched:
    output = file.with_suffix(".json")
    subprocess.run(
        [sys.executable, "-m", "tests.watched", file, store, output],
        check=True,
        timeout=280,
        cwd=REPOSITORY,
        env=environment_of_run(env),
    )
    written = json.loads(output.read_text())
    lines = [line for line in written["metrics"].splitlines() if not line.startswith("#")]
    values = {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}
    return Watched(case, file, store, written["error"], written["events"], values)


@pytest.fixture(
    scope="module",
    params=[pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in CASES],
)
def watched(
    request: pytest.FixtureRequest, simulated_files: Path, tmp_path_factory: pytest.TempPathFactory
) -> Watched:
    case = CASES[request.param]
    folder = tmp_path_factory.mktemp("agreement")
    file = write_campaign(
        folder / "field.yaml",
        source={"kind": "directory", "path": str(simulated_files)},
        align="none",
        **case.sections,
    )
    return watch(file, folder / "store", case)


def states(status: Mapping[str, Any]) -> dict[str, str]:
    return {task["name"]: task["state"] for task in status["tasks"]}


def titles(case: Case) -> set[str]:
    """Return what the tasks are called that a run comes to."""
    every = {f"retrieve {name}" for name in FILES} | {"inspect", "align", "plan", "gather"}
    every.add("compare positions")
    every |= {f"drizzle {method}" for method in case.methods}
    more = {"witness": "witness", "engines": "both engines", "differences": "differences"}
    more |= {"cells": "cells"}
    every |= {title for kind, title in more.items() if kind in case.kinds}
    return every - set(case.not_run)


def test_the_run_and_its_status(watched: Watched) -> None:
    case = watched.case
    ended = {
        e["task"]: e["state"] for e in watched.events if e["state"] not in ("started", "doing")
    }
    assert set(ended) == titles(case)
    assert {name for name, state in ended.items() if state == "failed"} == {*case.failed.values()}
    finished = {e["step"] for e in watched.events if e["state"] in ("finished", "reused")}
    # Where nothing is aligned, that is told and leaves nothing; of stars nobody is told, and of
    # cells by their list.
    stored = {step for step in manifests(watched.folder) if not step.startswith(UNTOLD)}
    assert finished - {"aligned"} == stored
    answer = reading("status", watched.folder, "--json")
    assert answer.code == (21 if case.failed else 0)
    status = json.loads(answer.out)
    assert set(states(status)) == titles(case)
    failed = {name for name, state in states(status).items() if state == "failed"}
    assert failed == {*case.failed.values()}
    assert status["expected"] == sum(case.all_kinds.values())
    recorded = Counter(task["kind"] for task in status["tasks"])
    assert recorded == Counter({e["task"]: e["kind"] for e in watched.events}.values())
    assert case.failed or recorded == case.all_kinds
    of_tasks = {task["step"] for task in status["tasks"] if task["state"] != "failed"}
    assert of_tasks - {"aligned"} == stored
    steps = {step for step in manifests(watched.folder) if not step.startswith("runs/")}
    hidden = tuple(one for one in UNTOLD if one != "cells/x")
    steps = {step for step in steps if not step.startswith(hidden)}
    wanted = {step for step in case.steps | STEPS if not step.startswith("runs/")}
    wanted -= {"aligned"} | (PLANNED if case.failed else set())  # nothing is aligned here
    assert steps - {"comparison"} == wanted


def test_the_metrics(watched: Watched) -> None:
    case = watched.case
    assert watched.stages("failures_total") == dict.fromkeys(case.failed, 1)
    counted = watched.stages("tasks")
    if case.failed:
        assert set(counted) == {"retrieve", "inspect", "align", "plan"}
    else:
        assert counted == case.all_kinds
    assert sum(case.all_kinds.values()) == next(
        value for name, value in watched.metrics.items() if "tasks_expected" in name
    )


def test_what_prepare_tells(watched: Watched) -> None:
    shown = reading("prepare", watched.file, "--store", watched.store)
    assert shown.code == 0, shown.err
    assert kinds_by_prepare(shown.out) == watched.case.all_kinds
    if watched.case.failed:
        assert "  plan: it failed\n" in shown.out
        return
    assert "are finished; a run makes none" in shown.out
    other = ("--set", "drizzle.max_output_megapixels=77")
    shown = skymosaic("prepare", watched.file, "--store", watched.store, *other)
    assert "  plan: parameter max_output_megapixels: 500, now 77\n" in shown.out


def kinds_by_prepare(text: str) -> dict[str, int]:
    """Return the counts of the graph that `prepare` shows, which must sum up to what it says."""
    lines = iter(text.splitlines())
    total = next(int(line.split()[1]) for line in lines if line.startswith("graph: "))
    counts = {}
    for line in lines:
        if not line.startswith("  "):
            break
        kind, count = line.split()
        counts[kind] = int(count)
    assert sum(counts.values()) == total
    return counts


def test_what_python_loads(watched: Watched) -> None:
    case, run = watched.case, package.load(watched.folder)
    assert run.methods == case.methods
    assert run.complete == (not case.failed)
    states = {one.part: one.state for one in run.missing}
    assert states == {
        **dict.fromkeys(case.failed.values(), "failed"),
        **dict.fromkeys(case.not_run, "not run"),
    }
    rows = set(map(str, run.steps["step"]))
    parts = {row for row in rows if ": " in row}
    assert rows - parts == (case.steps | STEPS) - (PLANNED if case.failed else set())
    # What mosaics are made from, of a kind together.
    kinds = Counter(
        step.split("/")[0]
        for step in manifests(watched.folder)
        if step.startswith(UNTOLD) and not step.startswith(("stars/", "cells/", "runs/"))
    )
    assert parts == {f"{kind}: {counted(count, 'step')}" for kind, count in kinds.items()}


def test_each_form_of_the_report(watched: Watched) -> None:
    case = watched.case
    forms = {}
    for form in ("json", "md", "html"):
        answer = reading("report", watched.folder, "--format", form)
        assert answer.code == 0, answer.err
        forms[form] = answer.out
    report = json.loads(forms["json"])
    assert report["complete"] == (not case.failed)
    assert {one["part"]: one["state"] for one in report["missing"]} == {
        one.part: one.state for one in package.load(watched.folder).missing
    }
    assert tuple(report["mosaics"]) == case.methods
    for check in ("witness", "engines"):
        assert (check in report["tables"]) == (check in case.steps)
    for title, check in (
        ("The mosaics against the other engine", "witness"),
        ("Both engines on a sample", "engines"),
    ):
        assert (title in forms["md"]) == (check in case.steps)
    for one in report["missing"]:
        assert f"**{one['part']}**: {one['state']}" in forms["md"]
        assert one["part"] in forms["html"]
    for form in ("md", "html"):
        assert all(method in forms[form] for method in case.methods)
        assert ("incomplete" in forms[form].lower()) == bool(case.failed)


def test_a_report_made_anew_tells_what_the_stored_one_does(watched: Watched) -> None:
    """That is what `report --format` prints where the stored one has not this form."""
    if watched.case.failed:
        pytest.skip("there is no stored report of a run that failed")
    found = read_finished_steps(find_run(str(watched.folder)))
    with scratch.folder(None, "report") as root:
        anew = document(reporting.make_report(Bench(found.place, root), found))
    stored = json.loads((watched.folder / "comparison" / "report.json").read_text())
    for part in ("engine", "complete", "missing", "mosaics", "groups", "output_grid", "transfers"):
        assert anew[part] == stored[part], part
    for table in ("steps", "mdrizsky", "checks", "witness", "engines", "exposures"):
        assert anew["tables"].get(table) == stored["tables"].get(table), table


def test_the_notebook_reads_it(watched: Watched) -> None:
    if watched.case.failed:
        pytest.skip("the notebook compares methods that have finished")
    printed = read_by_notebook(watched.folder)
    assert "is complete: True" in printed
    assert f"methods: {', '.join(watched.case.methods)}\n" in printed


def read_by_notebook(run: Path) -> str:
    """Return what the cells of the example notebook print of a run; drawn without a window."""
    notebook = json.loads((REPOSITORY / "docs" / "notebooks" / "compare.ipynb").read_text())
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(cells)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "SKYMOSAIC_RUN": str(run), "MPLBACKEND": "agg"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_what_is_damaged_is_made_anew(simulated_files: Path, tmp_path: Path) -> None:
    file = write_campaign(
        tmp_path / "field.yaml",
        source={"kind": "directory", "path": str(simulated_files)},
        align="none",
        sky={"methods": ["localmin", "match"]},
    )
    store = tmp_path / "store"
    assert skymosaic("run", file, "--store", store).code == 0
    (science,) = (store / "field" / "runs" / "match").glob("*_sci.fits")
    before, content = manifests(store / "field"), bytearray(science.read_bytes())
    content[len(content) // 2] ^= 1
    science.write_bytes(content)
    again = skymosaic("run", file, "--store", store)
    assert again.code == 0
    assert "the contents were not read" in again.err
    assert skymosaic("verify-store", store / "field").code == 16
    repaired = skymosaic("verify-store", "--repair", store / "field")
    assert repaired.code == 0, repaired.err
    assert f"field/runs/match/{science.name}: its content is not what was written" in repaired.out
    whole = skymosaic("verify-store", store / "field")
    assert (whole.code, "; 0 damaged or missing" in whole.out) == (0, True)
    after = manifests(store / "field")
    changed = {step for step in after if after[step]["started"] != before[step]["started"]}
    assert {"runs/match"} <= changed <= {"runs/match", "comparison"}


@pytest.mark.slow
def test_a_program_of_a_group_that_fails_and_one_that_does_not(
    simulated_files: Path, tmp_path: Path
) -> None:
    archive, store = Archive(), tmp_path / "store"
    for letter, filter_ in (("a", "F110W"), ("b", "F160W")):
        folder = tmp_path / letter
        folder.mkdir()
        for path in simulated_files.glob("ibxl54*_*.fits"):
            if path.stem.endswith(("_flt", "_drz")):
                rename(path, folder, letter, filter_)
        archive.add_folder(folder, target="M 16")
    small = {"engine": "onepass", "max_output_megapixels": 0.01}
    file = write_campaign(
        tmp_path / "program.yaml",
        source={"kind": "mast", "proposal_id": [12812], "download": "mast", "downloads": 2},
        align="none",
        sky={"methods": ["localmin", "match-differences"]},
        groups={"parameters": {"M 16/F110W": {"drizzle": small, "sky": {"methods": ["match"]}}}},
    )
    kinds = {
        **{"retrieve": 6, "inspect": 2, "align": 2, "plan": 2, "positions": 2, "gather": 2},
        **{"differences": 1, "drizzle": 1 + 2, "witness": 1},
    }
    with mast_standin(archive) as url:
        env = configuration(tmp_path / "home", url)
        prepared = skymosaic("prepare", file, "--store", store, env=env)
        assert prepared.code == 0, prepared.err
        watched = watch(file, store, CASES[QUICK[0]], env)
    assert kinds_by_prepare(prepared.out) == kinds
    assert watched.error == "PartialError"
    assert watched.stages("failures_total") == {"plan": 1}
    assert watched.metrics['skymosaic_tasks_expected{campaign="program"}'] == sum(kinds.values())
    assert watched.metrics['skymosaic_groups{campaign="program",state="done"}'] == 1
    assert watched.metrics['skymosaic_groups{campaign="program",state="failed"}'] == 1
    status = json.loads(reading("status", watched.folder, "--json").out)
    failed = {name for name, state in states(status).items() if state == "failed"}
    assert failed == {"M 16/F110W plan"}
    assert status["expected"] == sum(kinds.values())
    good = package.load(watched.folder / "12812" / "M_16" / "F160W")
    assert (good.complete, good.methods) == (True, ("localmin", "match-differences"))
    assert {"differences", "positions"} <= set(good.steps["step"])
    bad = package.load(watched.folder / "12812" / "M_16" / "F110W")
    assert [(one.part, one.state) for one in bad.missing if one.state == "failed"] == [
        ("plan", "failed")
    ]
    program = json.loads(reading("report", watched.folder, "--format", "json").out)
    assert {one["name"]: one["state"] for one in program["groups"]} == {
        "M 16/F110W": "failed",
        "M 16/F160W": "done",
    }
    assert skymosaic("verify-store", watched.folder).code == 0
