"""The manifests below k8s/: written from the renderer where they can be, built by Kustomize.

``python -m tests.kubernetes.manifests`` writes those that come from the renderer.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from skymosaic.clusters.base import Job
from skymosaic.clusters.kubernetes.planning import plan
from skymosaic.clusters.kubernetes.submit import NAMESPACE, documents
from skymosaic.clusters.kubernetes.text import as_yaml
from skymosaic.config import Campaign, load_campaign
from skymosaic.runs.driver import drive
from tests.kubernetes import dask_operator

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "k8s"
OVERLAYS = ("local", "aws", "operator", "operator-cluster")
SETTINGS = "settings.yaml"
"""In an overlay's folder: what of `compute` gives the same by the renderer."""
_HEAD = "# Written by scripts/write-kubernetes from skymosaic.clusters.kubernetes; do not edit.\n"
_BASE = {
    "store.uri": "s3://skymosaic-demo/mosaics",
    "compute.backend": "kubernetes",
    # A placeholder: overlays name the image that was built.
    "compute.kubernetes.image": f"skymosaic@sha256:{'0' * 64}",
    "compute.kubernetes.priority_class": "skymosaic-workers",
    "compute.kubernetes.steady_priority_class": "skymosaic",
}


def demo(overlay: str | None = None) -> Campaign:
    """Return the demo campaign as the base has it, or with an overlay's settings."""
    settings = dict(_BASE)
    if overlay is not None:
        compute = yaml.safe_load((FOLDER / "overlays" / overlay / SETTINGS).read_text())["compute"]
        own = compute.pop("kubernetes")
        settings |= {f"compute.{key}": value for key, value in compute.items()}
        settings |= {f"compute.kubernetes.{key}": value for key, value in own.items()}
    return load_campaign(REPOSITORY / "configs" / "horsehead-demo.yaml", settings)


def rendered(campaign: Campaign) -> list[dict[str, Any]]:
    """Return every object that the renderer makes of a campaign."""
    texts = documents(Job(campaign, "", drive)).values()
    return [manifest for text in texts for manifest in yaml.safe_load_all(text)]


def generated() -> dict[Path, str]:
    """Return the files below k8s/ that come from the renderer."""
    campaign = demo()
    base = {
        FOLDER / ("namespace" if name == NAMESPACE else "base") / name: text
        for name, text in documents(Job(campaign, "", drive)).items()
    }
    planned = plan(campaign)
    overlays = {
        FOLDER / "overlays" / "operator" / "daskjob.yaml": dask_operator.dask_job(planned),
        FOLDER / "overlays" / "operator-cluster" / "daskcluster.yaml": dask_operator.dask_cluster(
            planned
        ),
    }
    texts = {**base, **{path: as_yaml([manifest]) for path, manifest in overlays.items()}}
    return {path: _HEAD + text for path, text in texts.items()}


def kubectl() -> str | None:
    """Return kubectl's path, None where there is none."""
    return shutil.which("kubectl")


def build(folder: Path) -> list[dict[str, Any]]:
    """Return the objects that Kustomize makes of a folder."""
    done = subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def build_overlay(overlay: str) -> list[dict[str, Any]]:
    """Return the objects of an overlay, with those of the namespace that it is for."""
    folder = FOLDER / "overlays" / overlay
    own = folder / "namespace"
    return build(own if own.exists() else FOLDER / "namespace") + build(folder)


def main() -> None:
    """Write the generated files."""
    for path, text in generated().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
