"""One number: what a cluster is asked for, what `prepare` tells, what onepass begins with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from dask.utils import format_bytes, parse_bytes

from skymosaic.clusters.base import Job
from skymosaic.clusters.kubernetes.planning import plan
from skymosaic.clusters.slurm.submit import documents
from skymosaic.config import Campaign, load_campaign, resolved_yaml
from skymosaic.config.kubernetes import parse_quantity
from skymosaic.drizzle.expected import of_campaign, work_at_hand
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.memory import Engine, Work, memory_of, require_memory
from skymosaic.drizzle.request import Request
from skymosaic.hst.reading import read_exposure
from skymosaic.runs import preparation
from skymosaic.runs.driver import drive
from skymosaic.steps.place import Place
from skymosaic.store import open_store
from tests.conftest import write_campaign
from tests.unit.small_fits import write_exposure

MIB = 2**20
IR, ACS = 1014**2, 2048 * 4096
MAST = {"kind": "mast", "proposal_id": [12812], "max_files": 40}

# A source, AstroDrizzle's parameters, and what it turns out to be: chips, pixels of one, input
# scale, columns and rows of the mosaic.
FIELDS: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[int, int, float, int, int]]] = {
    "demo": ({"kind": "simulated"}, {}, (18, IR, 0.1283, 2946, 3047)),
    "demo, fine": (
        {"kind": "simulated"},
        {"final_scale": 0.04},
        (18, IR, 0.1283, 9441, 9770),
    ),
    "ACS": (
        {"kind": "simulated", "instrument": "acs-wfc", "dithers": 3},
        {},
        (12, ACS, 0.05, 6652, 7590),
    ),
    "ACS, no cosmic rays": (
        {"kind": "simulated", "instrument": "acs-wfc", "dithers": 3},
        dict.fromkeys(("driz_separate", "median", "blot", "driz_cr"), False),
        (12, ACS, 0.05, 6652, 7590),
    ),
    "many of ACS": (
        {**MAST, "instrument": ["ACS/WFC"]},
        {"final_scale": 0.03},
        (80, ACS, 0.05, 22_000, 22_000),
    ),
    "a strip of any camera": (MAST, {"context": True}, (80, ACS, 0.05, 80_000, 6_000)),
}


def campaign(
    folder: Path, field: str, engine: Engine, compute: dict[str, Any], **sections: Any
) -> Campaign:
    source, parameters, _ = FIELDS[field]
    return load_campaign(
        write_campaign(
            folder / "field.yaml",
            source=source,
            drizzle={"engine": engine, "parameters": parameters, **sections.pop("drizzle", {})},
            compute=compute,
            store={"uri": "s3://bucket/prefix"},
            **sections,
        )
    )


def on_kubernetes(folder: Path, field: str, engine: Engine, cpu: str, **sections: Any) -> Campaign:
    compute = {"backend": "kubernetes", "kubernetes": {"cpu": cpu}}
    return campaign(folder, field, engine, compute, **sections)


def on_slurm(folder: Path, field: str, engine: Engine, cores: int, **sections: Any) -> Campaign:
    compute = {"backend": "slurm", "slurm": {"cores": cores, "logs": "/shared/logs"}}
    return campaign(folder, field, engine, compute, **sections)


def in_script(given: Campaign) -> tuple[int, int]:
    """Return what a batch script asks Slurm for, and what a worker may take, bytes."""
    script = documents(Job(given, resolved_yaml(given), drive))["job.sh"]
    job, worker = re.search(r"--mem=(\d+)M", script), re.search(r"--memory-limit (\S+)", script)
    assert job is not None and worker is not None
    return int(job[1]) * MIB, parse_bytes(worker[1])


def memory_lines(given: Campaign, folder: Path) -> list[str]:
    return preparation.memory_lines(given, Place(open_store(str(folder)), given.name, None), 1)


def wanted_by_onepass(given: Campaign, field: str) -> float:
    """Return what a task of onepass has at most, on the exposures as they turn out to be."""
    chips, pixels, scale, columns, rows = FIELDS[field][2]
    request = Request.of(given)
    final_scale = request.parameters.get("final_scale")
    work = Work(
        chips=chips,
        input_pixels=chips * pixels,
        output_pixels=columns * rows,
        largest_chip=pixels,
        columns=columns,
        mosaics=len(request.choices),
        scale_ratio=scale / final_scale if final_scale else 1.0,
        context=bool(request.parameters.get("context")),
        cosmic_rays=request.may_look_for_cosmic_rays,
    )
    return memory_of("onepass", work).peak


@pytest.mark.parametrize("cores", [1, 6])
@pytest.mark.parametrize("engine", ["astrodrizzle", "onepass"])
@pytest.mark.parametrize("field", FIELDS)
def test_all_tell_one_number_with_which_the_engine_begins(
    field: str, engine: Engine, cores: int, tmp_path: Path
) -> None:
    pods, jobs = (one(tmp_path, field, engine, cores) for one in (_pods, on_slurm))
    needed = of_campaign(pods).needs.memory
    assert of_campaign(jobs).needs.memory == needed
    assert 0 <= parse_quantity(plan(pods).memory) - needed < MIB
    job, worker = in_script(jobs)
    assert worker == needed <= job
    for given in (pods, jobs):
        assert f"memory: {format_bytes(needed)} a worker" in memory_lines(given, tmp_path)[0]
        if engine == "onepass":
            assert wanted_by_onepass(given, field) <= needed


def _pods(folder: Path, field: str, engine: Engine, cores: int) -> Campaign:
    return on_kubernetes(folder, field, engine, str(cores))


def test_workers_that_drizzle_at_once_have_as_much_each(tmp_path: Path) -> None:
    four = on_slurm(tmp_path, "many of ACS", "astrodrizzle", 6)
    needed = of_campaign(four).needs.memory
    job, _ = in_script(four)
    assert 4 * needed <= job < 5 * needed
    # Each exposure is a task of onepass, and each worker is at one.
    tasks = on_slurm(tmp_path, "many of ACS", "onepass", 6, drizzle={"witness": False})
    needed = of_campaign(tasks).needs.memory
    assert 0 <= in_script(tasks)[0] - 6 * needed < MIB
    # Beside AstroDrizzle, which looks at a part of each mosaic, five are at tasks of onepass.
    witness = of_campaign(on_slurm(tmp_path, "many of ACS", "onepass", 6))
    assert witness.together(6) == witness.needs.memory + 5 * needed
    # Groups of a program drizzle at the same time.
    program = on_slurm(tmp_path, "many of ACS", "astrodrizzle", 6, groups={})
    assert in_script(program)[0] >= 6 * of_campaign(program).needs.memory


def test_a_task_of_onepass_needs_no_more_where_there_are_more_cores(tmp_path: Path) -> None:
    one, many = (on_kubernetes(tmp_path, "many of ACS", "onepass", cpu) for cpu in ("1", "16"))
    assert of_campaign(one).needs == of_campaign(many).needs
    # A cell alone is drizzled on all of them.
    layout = {"layout": "square", "size": 4000}
    cells = {"drizzle": {"grid": {"cells": layout}, "witness": False}}
    one, many = (
        on_kubernetes(tmp_path, "many of ACS", "onepass", cpu, **cells) for cpu in ("1", "16")
    )
    assert of_campaign(one).needs.memory < of_campaign(many).needs.memory


def test_the_one_check_of_all_exposures_counts_once(tmp_path: Path) -> None:
    expected, alone = (
        of_campaign(on_slurm(tmp_path, "many of ACS", "onepass", 6, drizzle=drizzle))
        for drizzle in ({"witness": False, "sample": 3}, {"witness": False})
    )
    alone = alone.needs.memory
    assert expected.needs.memory > alone
    assert expected.together(6) == expected.needs.memory + 5 * alone
    assert expected.together(1) == expected.needs.memory


def test_what_one_engine_does_for_the_other_counts(tmp_path: Path) -> None:
    def needed(engine: Engine, **sections: Any) -> int:
        given = on_kubernetes(tmp_path, "ACS, no cosmic rays", engine, "8", **sections)
        return of_campaign(given).needs.memory

    alone = needed("astrodrizzle")
    own = {"methods": ["match", "match-differences"]}
    assert needed("astrodrizzle", drizzle={"witness": True}) > alone
    assert needed("astrodrizzle", sky=own) > alone
    assert needed("onepass", drizzle={"witness": False, "sample": 3}) >= alone


def test_a_program_needs_what_its_most_demanding_group_does(tmp_path: Path) -> None:
    own = {"drizzle": {"parameters": {"context": True}, "max_output_megapixels": 900}}
    whole = on_kubernetes(tmp_path, "many of ACS", "astrodrizzle", "1", groups={})
    groups = {"parameters": {"M 16/F606W": own, "M 17/F606W": {"sky": {"methods": ["match"]}}}}
    program = on_kubernetes(tmp_path, "many of ACS", "astrodrizzle", "1", groups=groups)
    assert of_campaign(program).needs == of_campaign(program.for_group("M 16/F606W")).needs
    assert of_campaign(program).needs.memory > of_campaign(whole).needs.memory


def test_who_asks_for_too_little_is_told(tmp_path: Path) -> None:
    pods = campaign(
        tmp_path,
        "many of ACS",
        "onepass",
        {"backend": "kubernetes", "kubernetes": {"memory": "2Gi"}},
    )
    assert plan(pods).memory == "2Gi"
    assert re.search(
        r"kubernetes is asked for 2\.00 GiB a worker: less than the .* that are projected "
        r"\(compute\.kubernetes\.memory\)",
        memory_lines(pods, tmp_path)[1],
    )
    jobs = campaign(tmp_path, "demo", "onepass", {"backend": "slurm", "slurm": {"memory": "16GiB"}})
    assert in_script(jobs)[0] == 16 * 2**30
    assert memory_lines(jobs, tmp_path)[1].endswith("is asked for 16.00 GiB a job on a node")


def test_what_is_at_hand_is_counted_and_is_not_more_than_was_expected(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    names = ("ib6o21qmq_flt.fits", "ib6o23rsq_flt.fits", "ib6o24aaq_flt.fits")
    exposures = [read_exposure(write_exposure(folder / n, chips=2, side=300)) for n in names]
    given = load_campaign(
        write_campaign(
            tmp_path / "field.yaml",
            source={"kind": "directory", "path": str(folder)},
            drizzle={"engine": "onepass"},
            compute={"workers": 2},
        )
    )
    grid = Grid((85.0, -2.5), (200.0, 150.0), 0.065, 0.0, (400, 300))
    request = Request.of(given)
    work = work_at_hand(folder, exposures, grid, request, request.parameters)
    assert (work.chips, work.input_pixels, work.largest_chip) == (6, 6 * 300**2, 300**2)
    assert (work.columns, work.output_pixels, work.mosaics) == (400, 400 * 300, 4)
    assert 1.9 < work.scale_ratio < 2.1
    expected = of_campaign(given)
    assert expected.work.input_pixels >= work.input_pixels
    assert expected.work.chips >= work.chips
    assert expected.needs.memory > memory_of("onepass", work).peak
    require_memory(memory_of("onepass", work), expected.needs.memory)
