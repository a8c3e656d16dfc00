"""Submission to Slurm: one job holds scheduler, driver, and workers on all its nodes."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
import shlex
import shutil
import sys
import time
from collections.abc import Sequence

import jinja2

from skymosaic.clusters import local, servers
from skymosaic.clusters.base import Fate, Found, Job, Submitted
from skymosaic.clusters.slurm.commands import (
    JobState,
    command,
    queued,
    require_accepted,
    state_in_full,
    states_of,
)
from skymosaic.clusters.slurm.memory import sized
from skymosaic.clusters.slurm.workers import logs_root, memory_limit, prologue, slurm_memory
from skymosaic.config import Campaign, load_campaign_text
from skymosaic.config.slurm import Slurm
from skymosaic.errors import CampaignError, ComputeError, SkymosaicError
from skymosaic.journal.submission import Submission

log = logging.getLogger(__name__)

_SECOND_THOUGHTS = 2.0  # s

JOB, ARRAY = "job.sh", "array.sh"


def documents(job: Job) -> dict[str, str]:
    """Return the batch scripts; where there is an array, the job runs after it.

    Raises
    ------
    CampaignError
        An array was asked for without groups to share out.
    ComputeError
        The folder for logs has a name that Slurm cannot read.
    """
    slurm = job.campaign.compute.slurm
    if slurm.array is None:
        return {JOB: _script(job, None)}
    if job.campaign.groups is None:
        raise CampaignError(
            "compute.slurm.array distributes the groups of a program, but this campaign is one "
            "mosaic: leave array out, or give groups"
        )
    return {ARRAY: _script(job, slurm.array), JOB: _script(job, None)}


def submit(job: Job) -> Submitted:
    """Give the scripts to Slurm, all or none; the terminal may be closed then.

    An array is held until the job after it is there, too. Where Slurm refuses one, or it could
    never start, those that it took are cancelled.

    Raises
    ------
    CampaignError, ComputeError
        As `documents`; Slurm refuses the job, in its own words.
    """
    scripts = documents(job)
    logs = logs_root(job.campaign.compute.slurm)
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ComputeError(
            f"no folder for logs can be made at {logs} ({error.strerror}); set compute.slurm.logs"
        ) from None
    for script in scripts.values():
        require_accepted(script)
    ids: list[str] = []
    after, what = [], ""
    try:
        if ARRAY in scripts:
            array = _sbatch(scripts[ARRAY], "--hold")
            ids.append(array)
            # It runs what the array left, tells the state of all groups, whatever became of them.
            after, what = [f"--dependency=afterany:{array}"], f" after job array {array}"
        ids.append(_sbatch(scripts[JOB], *after))
        if ARRAY in scripts:
            command("scontrol", "release", array)
        _require_hope(ids)
    except BaseException:
        _take_back(ids)
        raise
    address = f"{job.campaign.store.uri.rstrip('/')}/{job.campaign.name}"
    return Submitted(f"Slurm job {ids[-1]}{what}", f"skymosaic status {address}")


def _take_back(ids: Sequence[str]) -> None:
    """Cancel the jobs that Slurm took of a submission that failed."""
    if not ids:
        return
    try:
        command("scancel", *ids)
    except SkymosaicError as error:
        log.warning(
            "Slurm may have jobs of the campaign still (%s): `scancel %s` removes them",
            *(error, " ".join(ids)),
        )


def cancel(job: Job) -> str:
    """End a campaign's jobs in order; those that wait go at once. Slurm does not tell which."""
    _end_jobs(_job_name(job.campaign.store.uri, job.campaign.name))
    return ""


def find(store: str, campaign: str) -> Found | None:
    """Return the user's jobs of a campaign that wait or run; None where there are none.

    Raises
    ------
    ComputeError
        Slurm does not answer.
    """
    if shutil.which("squeue") is None:
        return None
    name = _job_name(store, campaign)
    rows = queued("%A|%T|%r|%V", f"--name={name}")
    if not rows:
        return None
    states = [JobState(identifier, state, reason) for identifier, state, reason, _ in rows]
    identifiers = ", ".join(dict.fromkeys(state.id for state in states))
    return Found(
        f"Slurm job {identifiers}",
        min(submitted for *_, submitted in rows),
        Fate("alive", _message(states)),
        lambda: _end_jobs(name),
    )


def _end_jobs(name: str) -> str:
    named = ["--me", f"--name={name}"]
    command("scancel", "--state=PENDING", *named)
    command("scancel", "--state=RUNNING", "--batch", "--signal=TERM", *named)
    return ""


def fate(submission: Submission) -> Fate:
    """Return what Slurm knows of a submission's jobs.

    Raises
    ------
    ComputeError
        Slurm does not answer.
    """
    ids = re.findall(r"[0-9]+", submission.what)
    states = list(states_of(ids).values())
    if not any(state.alive for state in states):
        states = [state_in_full(i) for i in ids]  # what has ended, and other people's jobs
    if waiting := [state for state in states if state.alive]:
        return Fate("alive", _message(waiting))
    if not states or any(state.state == "UNKNOWN" for state in states):
        return Fate("unknown")
    logs = load_campaign_text(submission.text, f"submission {submission.id}", {}).compute.slurm.logs
    return Fate("ended", _message(states) + (f". Logs: {logs}" if logs else ""))


def _message(states: Sequence[JobState]) -> str:
    return f"Slurm says: {'; '.join(map(str, states))}"


def _require_hope(ids: Sequence[str]) -> None:
    """Refuse jobs that would wait for ever; Slurm tells that after it took them."""
    time.sleep(_SECOND_THOUGHTS)
    for state in states_of(ids).values():
        if state.hopeless:
            raise ComputeError(f"Slurm cannot start {state}. Nothing was submitted")


def _sbatch(script: str, *options: str) -> str:
    """Submit a script; return the job's number."""
    answer = command("sbatch", "--parsable", *options, text=script)
    return answer.strip().split(";")[0]


def _script(job: Job, array: int | None) -> str:
    campaign, compute = job.campaign, sized(job.campaign)
    slurm = compute.slurm
    interface = ["--interface", slurm.interface] if slurm.interface else []
    protocol = ["--protocol", "tls"] if slurm.encrypted else []
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("skymosaic.clusters.slurm", "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 (a shell's script: each value is held or quoted for one)
    )
    return environment.get_template("slurm.sh").render(
        name=_job_name(campaign.store.uri, campaign.name),
        logs=str(logs_root(slurm)),
        directives=_directives(campaign, slurm, array),
        prologue=prologue(slurm),
        campaign=job.text.rstrip("\n"),
        mark=_mark(job.text),
        encrypted=slurm.encrypted,
        dask=_dask_settings(),
        python=shlex.join([*slurm.command, slurm.python or sys.executable]),
        scheduler_class=servers.SCHEDULER,
        scheduler=json.dumps(
            {
                "port": 0,
                "dashboard": False,
                **({"protocol": "tls"} if slurm.encrypted else {}),
                **({"interface": slurm.interface} if slurm.interface else {}),
            }
        )[1:-1],
        cores=slurm.cores,
        worker=shlex.join(
            [
                *(*interface, *protocol, "--nthreads", "1", "--nworkers", str(slurm.cores)),
                *("--death-timeout", "60"),
                *(memory_limit(compute) or ["--memory-limit", _share_of_memory(slurm)]),
            ]
        ),
        share=f' --set compute.share="$SLURM_ARRAY_TASK_ID/{array}"' if array else "",
    )


def _directives(campaign: Campaign, slurm: Slurm, array: int | None) -> list[str]:
    name = _job_name(campaign.store.uri, campaign.name)
    at_once = f"%{slurm.array_at_once}" if slurm.array_at_once else ""
    optional = {"partition": slurm.partition, "account": slurm.account, "qos": slurm.qos}
    return [
        f"--job-name={name}",
        f"--output={logs_root(slurm)}/{name}-{'%A_%a' if array else '%j'}.log",
        "--open-mode=append",
        *(f"--{option}={value}" for option, value in optional.items() if value),
        *([f"--array=1-{array}{at_once}"] if array else []),
        f"--nodes={slurm.nodes}",
        "--ntasks-per-node=1",
        f"--cpus-per-task={slurm.cores}",
        f"--mem={slurm_memory(slurm)}",
        f"--time={slurm.walltime}",
        # To the script only, which tells the driver; workers go on until it has ended.
        f"--signal=B:USR1@{math.ceil(slurm.grace)}",
        "--no-kill",  # a node that fails takes its workers with it, not the job
        "--requeue" if slurm.requeue else "--no-requeue",
        *slurm.directives,
    ]


def _job_name(store: str, campaign: str) -> str:
    """Return the jobs' name: the campaign's, and what tells stores apart."""
    digest = hashlib.sha256(f"{store}/{campaign}".encode()).hexdigest()[:8]
    return f"skymosaic-{campaign}-{digest}"


def _mark(text: str) -> str:
    """Return a line that a text does not hold: where it ends in a script."""
    mark = "END-OF-CAMPAIGN-" + hashlib.sha256(text.encode()).hexdigest()[:16]
    assert mark not in text  # it would have to hold its own checksum
    return mark


def _share_of_memory(slurm: Slurm) -> str:
    return f"{int(slurm_memory(slurm)[:-1]) // slurm.cores}MiB"


def _dask_settings() -> list[str]:
    """Return the settings of Dask that a run needs, as assignments of variables."""
    return [
        shlex.quote(f"DASK_{key.replace('.', '__').replace('-', '_').upper()}={value}")
        for key, value in local.DASK_SETTINGS.items()
    ]
