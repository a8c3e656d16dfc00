"""Campaigns on a real Slurm and a real S3 server, undisturbed and with faults; a table of outcomes.

Every trial ends with the table that the local back end gives, byte for byte, or with the error and
exit code that it must have, and then with that table after `skymosaic restart`. scripts/test-slurm
installs what this needs and runs it. Words choose trials whose names hold one of them.
"""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tests.conftest import skymosaic
from tests.holders import folder_in_use, stop_worker_in
from tests.integration.test_programs import rename
from tests.local_tables import demo
from tests.mast_standin import Archive, configuration, mast_standin
from tests.slurm_stage import TILES, Stage, Trial, stage
from tests.trials import TrialError, play, words_and_size

RUNNING, FAILED, INTERRUPTED, SUBMITTED = 20, 21, 22, 24
"""What `skymosaic status` ends with."""
_A_NODE = {"memory": "9GB"}
"""What a worker job asks for so that no two of them fit on one of the nodes."""


def demo_by_worker_jobs(stage: Stage) -> str:
    """The demo campaign with worker jobs of Slurm."""
    trial = Trial(stage, "demo by worker jobs", *demo(stage.size))
    trial.must_end(trial.run(), 0)
    trial.check_end()
    return "same table"


def demo_in_one_job(stage: Stage) -> str:
    """The demo campaign in one job of two nodes."""
    trial = Trial(stage, "demo in one job", *demo(stage.size), nodes=2)
    trial.must_end(trial.job_end(trial.submit()), 0)
    trial.check_end()
    return "same table"


def onepass_by_worker_jobs(stage: Stage) -> str:
    """The demo with the engine onepass, by a worker job on each of two nodes."""
    trial = Trial(stage, "onepass by worker jobs", *_onepass(), **_A_NODE)
    trial.must_end(trial.run(), 0)
    return _made_on_both_nodes(trial)


def onepass_in_one_job(stage: Stage) -> str:
    """The demo with the engine onepass, in one job of two nodes."""
    trial = Trial(stage, "onepass in one job", *_onepass(), nodes=2)
    trial.must_end(trial.job_end(trial.submit()), 0)
    return _made_on_both_nodes(trial)


def worker_job_lost_in_a_block(stage: Stage) -> str:
    """A worker job is killed while it sums a block."""
    trial = Trial(stage, "lost in a block", *_onepass(), **_A_NODE)
    process = trial.start()
    worker = trial.wait_for(
        lambda: stop_worker_in(folder_in_use(trial.scratch, "blocks-")), "a block", process
    )
    job = worker.environ()["SLURM_JOB_ID"]
    stage.slurm.command("scancel", "--signal=KILL", "--full", job)
    trial.must_end(trial.end(process), 0)
    trial.check_end()
    trial.check_mosaics()
    return f"job {job} was lost, the run went on; same table, same mosaics"


def _onepass() -> tuple[str, dict[str, Any]]:
    """Return the demo in small frames, on pixels so small that there are several blocks."""
    _, sections = demo()
    methods = [*sections["sky"]["methods"], "match-differences"]
    parameters = {**sections["drizzle"]["parameters"], "final_scale": 0.05}
    return "horsehead-onepass", {
        **sections,
        "sky": {"methods": methods},
        "drizzle": {"engine": "onepass", "parameters": parameters},
    }


def _made_on_both_nodes(trial: Trial) -> str:
    trial.check_end()
    trial.check_mosaics()
    nodes = trial.nodes_of("blocks")
    if len(nodes) != 2:
        raise TrialError(f"all blocks were summed on one node: {dict(nodes)}")
    return f"same table, same mosaics; blocks by node: {dict(sorted(nodes.items()))}"


def worker_job_cancelled(stage: Stage) -> str:
    """A worker job is cancelled while it drizzles."""
    trial = Trial(stage, "worker job cancelled", "tiles", TILES)
    process = trial.start()
    trial.drizzling(process)
    stage.slurm.command("scancel", trial.worker_jobs()[0])
    trial.must_end(trial.end(process), 0)
    trial.check_end()
    return "went on; same table"


def all_worker_jobs_cancelled(stage: Stage) -> str:
    """All worker jobs are cancelled while they drizzle."""
    trial = Trial(stage, "all worker jobs cancelled", "tiles", TILES)
    process = trial.start()
    trial.drizzling(process)
    stage.slurm.command("scancel", *trial.worker_jobs())
    trial.must_end(trial.end(process), 0, "CANCELLED")
    trial.check_end()
    return "others were asked for; same table"


def driver_killed(stage: Stage) -> str:
    """The driver, and with it the scheduler, is killed: its jobs end by themselves."""
    trial = Trial(stage, "driver killed", "tiles", TILES)
    process = trial.start()
    trial.drizzling(process)
    process.kill()
    trial.end(process)
    started = time.monotonic()
    trial.wait_for(lambda: not trial.worker_jobs(), "the end of the jobs", seconds=120)
    gone = time.monotonic() - started
    trial.restart()
    trial.check_end()
    return f"jobs gone after {gone:.0f} s; restarted; same table"


def node_down(stage: Stage) -> str:
    """A node is set down while a worker job drizzles on it."""
    trial = Trial(stage, "node down", "tiles", TILES)
    process = trial.start()
    trial.drizzling(process)
    node = trial.job(trial.worker_jobs()[0])["NodeList"]
    with _down(stage, node):
        trial.must_end(trial.end(process), 0)
    trial.check_end()
    return "went on; same table"


@contextmanager
def _down(stage: Stage, node: str) -> Iterator[None]:
    words = ("scontrol", "update", f"nodename={node}")
    stage.slurm.command(*words, "state=down", "reason=trial")
    try:
        yield
    finally:
        # Slurm takes a node back by itself, when its slurmd registers again.
        stage.slurm.command(*words, "state=resume", check=False)


def memory_exceeded(stage: Stage) -> str:
    """A worker job may take less memory than a drizzle needs; then enough."""
    trial = Trial(stage, "memory exceeded", "tiles", TILES, memory="450MB", cores=1, jobs=2)
    expected = ("exceeded memory limit", "raise compute.slurm.memory")
    # The scheduler may count a task's losses, or we the jobs': whichever is first.
    line = trial.must_end(trial.run(), {10, 11}, *expected)
    trial.write(memory="6GB")
    trial.must_end(trial.run(), 0)
    trial.check_end()
    return f"{line[:150]}; more memory: same table"


def lifetime(stage: Stage) -> str:
    """Worker jobs come to the end of their lifetime: others take over."""
    trial = Trial(stage, "lifetime", "tiles", TILES, walltime="00:01:30", grace=40)
    trial.must_end(trial.run(), 0)
    trial.check_end()
    return "others took over; same table"


def refused(stage: Stage) -> str:
    """Slurm refuses the jobs: wrong partition, too much memory, too long."""
    trial = Trial(stage, "refused", "tiles", TILES, partition="nosuch")
    line = trial.must_end(trial.run(), 10, "invalid partition", "compute.slurm.partition")
    for change in ({"memory": "900GB"}, {"walltime": "99:00:00"}):
        trial.write(partition=None, **change)
        trial.must_end(trial.run(), 10, "Slurm", "compute.slurm")
    trial.write(partition=None, walltime="99:00:00")
    ended = trial.end(trial.start(command="submit"))
    trial.must_end(ended, 10, "PartitionTimeLimit", "Nothing was submitted")
    return line


def jobs_fail(stage: Stage) -> str:
    """The jobs' own commands fail: the run ends, and says why."""
    trial = Trial(stage, "jobs fail", "tiles", TILES, prologue=["nosuchmodule load x", "exit 3"])
    return trial.must_end(trial.run(), 10, "nosuchmodule: command not found", "repeatedly")


def job_cancelled(stage: Stage) -> str:
    """The one job waits for its nodes, is cancelled while it drizzles, and is restarted."""
    trial = Trial(stage, "one job cancelled", "tiles", TILES, nodes=2)
    whole = ("sbatch", "--parsable", "--nodes=2", "--exclusive", "--wrap=sleep 600")
    before = stage.slurm.command(*whole, "--output=/dev/null").strip()
    trial.wait_for(lambda: trial.job(before)["JobState"] == "RUNNING", "the job before it")
    job = trial.submit()
    trial.wait_for(lambda: trial.job(job)["Reason"] != "None", "the reason to wait")
    trial.status_must_be(SUBMITTED, f"job {job} PENDING ({trial.job(job)['Reason']})")
    stage.slurm.command("scancel", before)
    trial.drizzling()
    trial.status_must_be(RUNNING)
    stage.slurm.command("scancel", "--batch", "--signal=TERM", job)
    trial.must_end(trial.job_end(job), 143)
    trial.status_must_be(INTERRUPTED, f"job {job} FAILED (NonZeroExitCode), exit code 143:0")
    trial.restart()
    trial.check_end()
    return "waited, ran, ended with 143 in order, as status says; restarted; same table"


def job_cancelled_whole(stage: Stage) -> str:
    """The one job is cancelled with all of its processes, as `scancel JOB` does."""
    trial = Trial(stage, "one job cancelled whole", "tiles", TILES, nodes=2)
    job = trial.submit()
    trial.drizzling()
    stage.slurm.command("scancel", job)
    trial.job_end(job)
    trial.status_must_be(INTERRUPTED, f"job {job} CANCELLED", "it was cancelled")
    trial.restart()
    trial.check_end()
    return "status says that it was cancelled; restarted; same table"


def controller_away(stage: Stage) -> str:
    """Slurm's controller is away while the one job drizzles, and comes back."""
    trial = Trial(stage, "controller away", "tiles", TILES, nodes=2)
    job = trial.submit()
    trial.drizzling()
    stage.slurm.stop_controller()
    try:
        trial.status_must_be(RUNNING, "cannot be asked from here", "Slurm's controller is away")
    finally:
        stage.slurm.start_controller()
    trial.must_end(trial.job_end(job), 0)
    trial.check_end()
    return "status says what the store says, and why; went on; same table"


def cancelled_by_skymosaic(stage: Stage) -> str:
    """`skymosaic cancel` ends the one job; submitted again."""
    trial = Trial(stage, "one job skymosaic cancel", "tiles", TILES)
    job = trial.submit()
    trial.drizzling()
    trial.must_end(trial.cancel(), 0)
    trial.must_end(trial.job_end(job), 18)
    trial.must_end(trial.job_end(trial.submit()), 0)
    trial.check_end()
    return "ended with 18; submitted again; same table"


def job_fails(stage: Stage) -> str:
    """The one job's own commands fail: `skymosaic status` says so."""
    trial = Trial(
        stage, "one job fails", "tiles", TILES, prologue=["nosuchmodule load x", "exit 3"]
    )
    trial.must_end(trial.job_end(trial.submit()), 3, "nosuchmodule: command not found")
    trial.status_must_be(
        FAILED, "FAILED (NonZeroExitCode), exit code 3:0", str(trial.folder / "logs")
    )
    return "status tells what Slurm says, and where the log is"


def scheduler_killed(stage: Stage) -> str:
    """The scheduler in the one job is killed; restarted."""
    trial = Trial(stage, "one job scheduler killed", "tiles", TILES, nodes=2)
    job = trial.submit()
    trial.drizzling()
    trial.pid_of("distributed.cli.dask_spec").send_signal(signal.SIGKILL)
    line = trial.must_end(trial.job_end(job), 10)
    trial.status_must_be(
        FAILED, "ComputeError", f"job {job} FAILED (NonZeroExitCode), exit code 10:0"
    )
    trial.restart()
    trial.check_end()
    return f"{line[:150]}; restarted; same table"


def node_down_in_one_job(stage: Stage) -> str:
    """The second node of the one job is set down: the other does the rest."""
    trial = Trial(stage, "one job node down", "tiles", TILES, nodes=2)
    job = trial.submit()
    trial.drizzling()
    with _down(stage, "n2" if trial.job(job)["BatchHost"] == "n1" else "n1"):
        trial.status_must_be(RUNNING)
        trial.must_end(trial.job_end(job), 0)
    trial.check_end()
    return "went on; same table"


def memory_exceeded_in_one_job(stage: Stage) -> str:
    """The workers of the one job may take less memory than they need; then enough."""
    trial = Trial(stage, "one job memory", "tiles", TILES, memory="700MB", cores=1)
    expected = ("exceeded memory limit", "raise compute.slurm.memory")
    line = trial.must_end(trial.job_end(trial.submit()), {10, 11}, *expected)
    trial.status_must_be(FAILED, "raise compute.slurm.memory")
    trial.write(memory="6GB")
    trial.must_end(trial.job_end(trial.submit()), 0)
    trial.check_end()
    return f"{line[:150]}; more memory: same table"


def walltime(stage: Stage) -> str:
    """The one job's walltime comes while it works; restarted."""
    # Slurm looks at the walltime once in a minute or so: the grace is its doubt and ours. Full
    # frames on one core are at work for longer than that on any host.
    all_tiles = {**TILES, "source": {"kind": "simulated", "size": "full"}}
    trial = Trial(
        stage, "walltime", "nine", all_tiles, walltime="00:02:00", grace=58, cores=1, memory="3GB"
    )
    job = trial.submit()
    line = trial.must_end(trial.job_end(job), 19, "walltime")
    trial.status_must_be(FAILED, "WalltimeError", f"job {job} ")
    trial.write(walltime="00:30:00", cores=2, memory="6GB")
    trial.must_end(trial.job_end(trial.submit()), 0)
    trial.check_end()
    return f"{line[:150]}; submitted again; same table"


def preempted(stage: Stage) -> str:
    """A job of another partition takes the one job's place; Slurm starts it again."""
    trial = Trial(stage, "preempted", "tiles", TILES, nodes=2)
    job = trial.submit()
    trial.drizzling()
    stage.slurm.command(
        *("sbatch", "--partition=urgent", "--nodes=2", "--exclusive", "--wrap=sleep 5"),
        f"--output={trial.folder}/urgent.log",
    )
    trial.wait_for(lambda: int(trial.job(job).get("Restarts", 0)) > 0, "the requeue")
    trial.status_must_be({RUNNING, SUBMITTED}, f"job {job}")  # it goes on by itself
    trial.must_end(trial.job_end(job), 0)
    trial.check_end()
    return "started again by Slurm, went on; same table"


def array(stage: Stage) -> str:
    """A program of three groups, shared out to an array of two tasks."""
    folder, archive = stage.folder / f"archive-{stage.attempt}", Archive()
    ended = skymosaic("simulate", folder / "tile", "--size", "small", "--tile", "54")
    if ended.code:
        raise TrialError(ended.err)
    targets = {"a": "HORSEHEAD", "b": "NGC 2023", "c": "IC-434"}
    for letter, target in targets.items():
        (folder / letter).mkdir()
        for path in (folder / "tile").glob("ibxl54*_*.fits"):
            if path.stem.endswith(("_flt", "_drz")):
                rename(path, folder / letter, letter, "F160W")
        archive.add_folder(folder / letter, target=target)
    program = {
        "source": {"kind": "mast", "proposal_id": [12812], "download": "mast"},
        "align": "none",
        "sky": {"methods": ["localmin", "match"]},
        "groups": {},
    }
    with mast_standin(archive) as url:
        environment = configuration(folder / "home", url)
        local = Trial(stage, "array local", "program", program, backend="local")
        trial = Trial(stage, "array", "program", program, array=2, cores=1, memory="5GB")
        local.more_environment = trial.more_environment = environment
        local.must_end(local.run("--workers", "2"), 0)
        trial.must_end(trial.job_end(trial.submit()), 0)
    for target in targets.values():
        group = f"12812/{target.replace(' ', '_')}/F160W/"
        if trial.table(group) != local.table(group):
            raise TrialError(f"the table of {group} is not that of the local back end")
    tasks = sorted((trial.folder / "logs").glob("*_[12].log"))
    done = [len(re.findall(r" gather +done", log.read_text())) for log in tasks]
    if len(tasks) != 2 or done != [2, 1]:
        raise TrialError(f"the tasks {tasks} did {done} groups")
    trial.check_nothing_left()
    return "tasks did 2 and 1 groups; same tables"


TRIALS: dict[str, Callable[[Stage], str]] = {
    "worker jobs: the demo": demo_by_worker_jobs,
    "worker jobs: onepass": onepass_by_worker_jobs,
    "worker jobs: one lost in a block": worker_job_lost_in_a_block,
    "worker jobs: refused by Slurm": refused,
    "worker jobs: their commands fail": jobs_fail,
    "worker jobs: one cancelled": worker_job_cancelled,
    "worker jobs: all cancelled": all_worker_jobs_cancelled,
    "worker jobs: driver and scheduler killed": driver_killed,
    "worker jobs: node down": node_down,
    "worker jobs: memory exceeded": memory_exceeded,
    "worker jobs: lifetime over": lifetime,
    "one job: the demo": demo_in_one_job,
    "one job: onepass": onepass_in_one_job,
    "one job: its commands fail": job_fails,
    "one job: waits, scancel to its driver": job_cancelled,
    "one job: scancel": job_cancelled_whole,
    "one job: controller away": controller_away,
    "one job: skymosaic cancel": cancelled_by_skymosaic,
    "one job: scheduler killed": scheduler_killed,
    "one job: node down": node_down_in_one_job,
    "one job: memory exceeded": memory_exceeded_in_one_job,
    "one job: walltime over": walltime,
    "one job: preempted": preempted,
    "job array of a program": array,
}


def main() -> int:
    """Play all trials, or those whose names hold a word that was given."""
    words, size = words_and_size(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with stage() as ready:

        def attempt(name: str, number: int) -> str:
            try:
                return TRIALS[name](replace(ready, attempt=number, size=size))
            except Exception:
                ready.clear()
                raise

        return play(TRIALS, words, attempt)


if __name__ == "__main__":
    sys.exit(main())
