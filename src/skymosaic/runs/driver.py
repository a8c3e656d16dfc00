"""A campaign's driver in a cluster: a task that runs ``skymosaic run`` beside its worker.

The task leaves the worker's thread pool, so that the worker takes other tasks meanwhile. The driver
is a process of its own (`skymosaic.cli.driven`): it listens to signals, which a thread cannot, and
ends with its worker. When the worker is lost, Dask starts the task elsewhere, and that driver goes
on from what is finished.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from distributed import get_worker, secede
from distributed.security import Security

from skymosaic.config import load_campaign_text
from skymosaic.errors import ComputeError, StoreError
from skymosaic.host import scratch
from skymosaic.journal import submission as submissions
from skymosaic.pipeline.places import open_place
from skymosaic.steps.failures import as_record
from skymosaic.steps.place import Place

log = logging.getLogger(__name__)

_LOOK = 5.0  # s between two looks at the driver
_STARTS = 3  # how often a driver that was killed is started on one worker
_LONGEST_LOG = 1_000_000  # bytes of a driver's output that are kept
_ENDING = 60.0  # s for a driver to end in order
_TLS = {
    # What distributed calls it, and the variable that sets it in another process.
    "tls_ca_file": "DASK_DISTRIBUTED__COMM__TLS__CA_FILE",
    "tls_worker_cert": "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT",
    "tls_worker_key": "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY",
}


def drive(text: str, submission: str) -> int:
    """Drive a campaign from a Dask worker; return the exit code of its run.

    Parameters
    ----------
    text : str
        The resolved campaign file; YAML.
    submission : str
        The id of its submission.
    """
    worker = get_worker()
    campaign = load_campaign_text(text, f"submission {submission}", {})
    place = open_place(campaign)
    secede()
    with scratch.folder(campaign.compute.scratch, "driver") as folder:
        file = folder / "campaign.yaml"
        file.write_text(text)
        command = [
            *(sys.executable, "-m", "skymosaic.cli.driven", str(os.getpid())),
            *("run", str(file), "--wait", "--set", "compute.backend=scheduler"),
            # As this worker reaches it, which need not be how the user did.
            *("--set", f"compute.address={worker.scheduler.address}"),
        ]
        environment = {**os.environ, **tls_environment(worker.security), "PYTHONUNBUFFERED": "1"}
        for _ in range(_STARTS):
            code = _run(command, environment, place, submission, folder / "driver.log")
            if code >= 0:
                break
            log.warning("the driver of %s was killed by signal %s", place.campaign, -code)
        _note_failure(place, submission, code, folder / "driver.log")
        return code


def tls_environment(security: Security) -> dict[str, str]:
    """Return the variables that give another process the TLS files of a worker.

    Parameters
    ----------
    security : distributed.security.Security
        The worker's, which may come from its command line.
    """
    given = {variable: getattr(security, name, None) for name, variable in _TLS.items()}
    return {variable: str(path) for variable, path in given.items() if path}


def _run(
    command: list[str], environment: Mapping[str, str], place: Place, submission: str, output: Path
) -> int:
    with output.open("ab") as written:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=written, stderr=written, env=environment
        )
    kept = 0
    try:
        while True:
            try:
                return process.wait(_LOOK)
            except subprocess.TimeoutExpired:
                kept = _keep(place, submission, output, kept)
                if not _is_ours(place, submission):
                    process.send_signal(signal.SIGTERM)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(_ENDING)
        _keep(place, submission, output, kept)


def _keep(place: Place, submission: str, output: Path, kept: int) -> int:
    """Keep the end of what the driver wrote in the store, if it wrote more; return its length."""
    size = output.stat().st_size
    if size != kept:
        with output.open("rb") as written:
            written.seek(max(0, size - _LONGEST_LOG))
            text = written.read().decode(errors="replace")
        try:
            place.store.write_text(submissions.log_key(place, submission), text)
        except StoreError as error:
            log.warning("the driver's output could not be kept: %s", error)
            return kept
    return size


def _is_ours(place: Place, submission: str) -> bool:
    """Whether the campaign's last submission is this one: it was not taken back."""
    try:
        found = submissions.read(place)
    except StoreError:  # it may answer again
        return True
    return found is not None and found.id == submission


def _note_failure(place: Place, submission: str, code: int, output: Path) -> None:
    """Note why no run began, for `status` to tell."""
    found = submissions.read(place)
    if found is None or found.id != submission or not code or not found.is_pending(place):
        return
    last = output.read_text(errors="replace").strip().splitlines()[-1:] or ["no output"]
    error = as_record(ComputeError(f"the driver ended before it began: {last[0]}"))
    error["exit_code"] = code if code > 0 else 128 - code
    found.failed(place, error)
