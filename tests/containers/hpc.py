"""The HPC image, built from the same Dockerfile without root's powers or a daemon."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.containers.host import (
    ROOT,
    STAND_IN_BASE,
    base_archive,
    build_settings,
    require,
    run,
)
from tests.containers.image import Bench
from tests.trials import TrialError


def _environment(folder: Path) -> dict[str, str]:
    """Return what Charliecloud needs: its Python is Debian's, whatever comes first on PATH."""
    return {
        "CH_IMAGE_STORAGE": str(folder / "charliecloud"),
        "PATH": f"/usr/bin:/bin:{os.environ['PATH']}",
        "USER": os.environ.get("USER", "root"),
        "BUILD_SETTINGS": str(build_settings(folder)),
    }


def build(bench: Bench) -> str:
    """Build it to a SquashFS file."""
    require("ch-image")
    environment = _environment(bench.folder)
    base: tuple[str, ...] = ()
    if "BASE" in bench.engine.images:
        base = (f"--build-arg=BASE={STAND_IN_BASE}",)
        run(
            "ch-image",
            "import",
            "--no-cache",
            base_archive(bench.folder),
            STAND_IN_BASE,
            environment=environment,
        )
    image = bench.folder / "skymosaic.sqfs"
    image.unlink(missing_ok=True)
    run(ROOT / "docker" / "build-hpc", image, *base, environment=environment)
    return f"{image.stat().st_size / 1e6:.0f} MB as SquashFS"


def doctor(bench: Bench) -> str:
    """Doctor, and a small campaign, in the unpacked image, which cannot be written."""
    environment = _environment(bench.folder)
    image, scratch = bench.folder / "hpc", bench.folder / "hpc-scratch"
    shutil.rmtree(image, ignore_errors=True)
    scratch.mkdir(exist_ok=True)
    run("ch-convert", bench.folder / "skymosaic.sqfs", image, environment=environment)
    inside = ("ch-run", "--set-env", f"--bind={scratch}:/scratch", image, "--")
    said = run(*inside, "skymosaic", "doctor", environment=environment).stdout
    if "good" not in said:
        raise TrialError(said)
    ended = run(
        *inside,
        *("sh", "-c", "touch /opt/skymosaic/x"),
        environment=environment,
        accept=True,
    )
    if ended.returncode == 0:
        raise TrialError("its files can be written")
    return said.splitlines()[-1]
