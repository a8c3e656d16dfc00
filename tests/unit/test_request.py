"""What a campaign file asks of its drizzles, and how many of them a host does at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.system
import pytest

from skymosaic.clusters.local import choose_workers
from skymosaic.config import Compute, load_campaign
from skymosaic.drizzle.parameters import resolve
from skymosaic.drizzle.request import Request
from skymosaic.errors import DrizzleError
from tests.conftest import write_campaign

SCHEDULER = {"backend": "scheduler", "address": "tcp://127.0.0.1:9"}


def request_of(folder: Path, **sections: Any) -> Request:
    sections.setdefault("source", {"kind": "simulated"})
    return Request.of(load_campaign(write_campaign(folder / "field.yaml", **sections)))


def test_what_the_file_sets_of_the_sky_step_is_among_the_parameters(tmp_path: Path) -> None:
    request = request_of(
        tmp_path,
        sky={"parameters": {"skystat": "mean"}},
        drizzle={"parameters": {"final_scale": 0.1}},
    )
    assert request.given == {"skystat": "mean", "final_scale": 0.1}
    assert request.parameters == resolve(request.given)
    assert request.grid.choice == {"rot": 0.0, "scale": 0.1}


def test_the_mosaics_are_those_of_methods_and_then_of_variants(tmp_path: Path) -> None:
    request = request_of(
        tmp_path,
        sky={
            "methods": ["match", "match-differences"],
            "planes": True,
            "variants": {
                "mine": {"values": {"ib6o21qmq": 1.0}},
                "other": {"method": "globalmin+match-differences"},
            },
        },
        drizzle={"engine": "onepass"},
    )
    assert list(request.choices) == ["match", "match-differences", "variant:mine", "variant:other"]
    assert request.methods == ("match", "match-differences")
    assert request.own_methods == ("match-differences",)
    assert request.has_differences
    assert request.no_constants == ["match-differences", "variant:other"]


@pytest.mark.parametrize("drizzle", [{"engine": "onepass"}, {"witness": True}, {"sample": 3}])
def test_what_an_engine_or_a_check_cannot_do_is_refused(
    drizzle: dict[str, Any], tmp_path: Path
) -> None:
    kernel = {"parameters": {"final_kernel": "lanczos3"}}
    request_of(tmp_path, drizzle=kernel).require_possible()
    with pytest.raises(DrizzleError, match="final_kernel lanczos3"):
        request_of(tmp_path, drizzle={**kernel, **drizzle}).require_possible()


@pytest.mark.parametrize(
    ("compute", "cores", "expected"),
    [
        ({}, 64, 12),
        ({}, 2, 2),
        ({"workers": 3}, 64, 3),
        (SCHEDULER, 8, 8),
        ({"backend": "slurm"}, 64, 4),
        ({"backend": "slurm", "slurm": {"cores": 8}, "workers": 2}, 64, 2),
        # A pod has the cores that it asked for, whatever its node has, and a worker of its own.
        ({"backend": "kubernetes", "workers": 2}, 64, 1),
        ({"backend": "kubernetes", "kubernetes": {"cpu": "2500m"}}, 64, 3),
        ({"backend": "kubernetes", "kubernetes": {"cluster": "there"}}, 8, 8),
    ],
)
def test_so_many_chips_are_drizzled_at_once(
    compute: dict[str, Any], cores: int, expected: int, tmp_path: Path
) -> None:
    request = request_of(tmp_path, compute=compute)
    assert request.processes_of(cores, 12) == expected
    assert request.processes_of(cores, 1) == 1


def test_cores_are_those_of_the_container(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(dask.system, "CPU_COUNT", 1)
    assert request_of(tmp_path).processes(12) == 1
    assert choose_workers(Compute(), 12) == 1
