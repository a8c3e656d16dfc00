"""What a host is called in manifests."""

from __future__ import annotations

import platform

import pytest

from skymosaic.host.node import node_name


def test_on_slurm_a_host_has_the_name_of_its_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURMD_NODENAME", raising=False)
    assert node_name() == platform.node()
    monkeypatch.setenv("SLURMD_NODENAME", "n1")
    assert node_name() == "n1"
