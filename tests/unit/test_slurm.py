"""What goes into Slurm's batch scripts, and what cannot; no Slurm is needed."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from skymosaic.clusters import client
from skymosaic.clusters.base import Job
from skymosaic.clusters.slurm import commands
from skymosaic.clusters.slurm import submit as submission
from skymosaic.clusters.slurm import workers as slurm
from skymosaic.clusters.slurm.commands import JobState, last_words, refusal
from skymosaic.clusters.slurm.memory import sized
from skymosaic.clusters.slurm.workers import script_settings, share_out
from skymosaic.config import Campaign, load_campaign_text, resolved_yaml
from skymosaic.errors import CampaignError, ComputeError, WalltimeError
from skymosaic.journal.submission import Submission
from skymosaic.runs.driver import drive

NAMES = ("partition", "account", "qos", "interface")
HOSTILE = (
    "a b",
    "a'b",
    'a"b',
    "a\nb",
    "a\n#SBATCH --uid=0",
    "$(touch canary)",
    "`touch canary`",
    "a;touch canary",
    "a#b",
    "../../etc",
    "-x",
    "",
    "é",
    "x" * 300,
)


def campaign_of(
    slurm: dict[str, Any] | None = None, name: str = "demo", **sections: Any
) -> Campaign:
    data = {
        "campaign": {"name": name},
        "source": {"kind": "simulated"},
        "store": {"uri": "s3://bucket/prefix"},
        "compute": {"backend": "slurm", "slurm": slurm or {}, **sections.pop("compute", {})},
        **sections,
    }
    return load_campaign_text(yaml.safe_dump(data), "demo.yaml", {})


def scripts(campaign: Campaign) -> dict[str, str]:
    return submission.documents(Job(campaign, resolved_yaml(campaign), drive))


def directives(script: str) -> list[str]:
    return [line[8:] for line in script.splitlines() if line.startswith("#SBATCH ")]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("field", NAMES)
def test_no_name_can_leave_its_field(field: str, value: str) -> None:
    with pytest.raises(CampaignError, match=f"compute.slurm.{field}"):
        campaign_of({field: value})


@pytest.mark.parametrize("value", HOSTILE)
def test_no_folder_can_leave_its_field(value: str, tmp_path: Path) -> None:
    with pytest.raises(CampaignError, match=r"compute.slurm.scratch"):
        campaign_of({"scratch": value})
    if value in ("../../etc", "-x", "", "x" * 300):
        return  # as folders for logs these are made absolute, and harmless
    with pytest.raises(CampaignError, match=r"compute.slurm.logs"):
        campaign_of({"logs": f"{tmp_path}/{value}"})


@pytest.mark.parametrize(
    "value",
    [
        *HOSTILE,
        "--constraint",
        "--constraint=a b",
        "--constraint=a'b",
        "--output=/etc/passwd",
        "--outp=x",
        "--array=1-9",
        "--time=1",
        "-p normal",
        "--comment=$(id)",
    ],
)
def test_directives_are_options_of_sbatch_that_are_not_ours(value: str) -> None:
    if value == "--constraint":
        assert "--constraint" in directives(scripts(campaign_of({"directives": [value]}))["job.sh"])
        return
    with pytest.raises(CampaignError, match=r"compute.slurm.directives.0"):
        campaign_of({"directives": [value]})


@pytest.mark.parametrize("value", ["1", "90", "1:2:3", "00:61:00", "a", "01:00:00\n#SBATCH x"])
def test_walltimes_are_told_with_their_units(value: str) -> None:
    with pytest.raises(CampaignError, match=r"compute.slurm.walltime"):
        campaign_of({"walltime": value})


def test_a_walltime_without_quotes_is_what_stands_there() -> None:
    text = "campaign: {name: a}\nsource: {kind: simulated}\n"
    text += "compute:\n  backend: slurm\n  slurm:\n    walltime: 1-12:30:00\n"
    settings = load_campaign_text(text, "a.yaml", {}).compute.slurm
    assert settings.walltime_seconds == (36 * 60 + 30) * 60
    settings = load_campaign_text(text.replace("1-12:30:00", "4:00:00"), "a.yaml", {}).compute.slurm
    assert (settings.walltime, settings.walltime_seconds) == ("4:00:00", 14400)


def test_a_grace_must_leave_time_to_work() -> None:
    with pytest.raises(CampaignError, match=r"more than half the walltime"):
        campaign_of({"walltime": "00:05:00"})


def test_what_is_asked_for_is_in_the_script() -> None:
    script = scripts(
        campaign_of(
            {
                "partition": "normal",
                "account": "astro",
                "qos": "high",
                "walltime": "02:00:00",
                "memory": "10GiB",
                "cores": 6,
                "nodes": 3,
                "grace": 90,
                "directives": ["--constraint=a&b", "--exclusive"],
                "prologue": ["module load gcc", "echo 'ready'"],
                "command": ["ch-run", "/images/sky mosaic", "--"],
                "python": "python3",
                "scratch": "$SLURM_TMPDIR/sky",
                "logs": "/shared/logs",
                "requeue": False,
            }
        )
    )["job.sh"]
    assert set(directives(script)) >= {
        *("--partition=normal", "--account=astro", "--qos=high", "--time=02:00:00"),
        *("--mem=10240M", "--cpus-per-task=6", "--nodes=3", "--signal=B:USR1@90"),
        *("--constraint=a&b", "--exclusive", "--no-requeue"),
    }
    lines = script.splitlines()
    assert "module load gcc" in lines
    assert "echo 'ready'" in lines
    assert 'export TMPDIR="${SLURM_TMPDIR:?has no value in this job}/sky"' in lines
    assert "ch-run '/images/sky mosaic' -- python3 -m skymosaic.cli run" in script
    assert "ch-run '/images/sky mosaic' -- python3 -m skymosaic.clusters.worker" in script
    assert "--nworkers 6" in script
    assert "--memory-limit 1706MiB" in script


def test_relative_folders_for_logs_are_those_of_the_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert campaign_of({"logs": "logs"}).compute.slurm.logs == tmp_path / "logs"
    assert str(tmp_path / "slurm-logs") in scripts(campaign_of())["job.sh"]


def test_a_folder_that_slurm_cannot_read_is_refused(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "my campaigns").mkdir()
    monkeypatch.chdir(tmp_path / "my campaigns")
    with pytest.raises(ComputeError, match=r"set compute\.slurm\.logs"):
        scripts(campaign_of())


@pytest.mark.parametrize(
    "description",
    [
        "'; touch canary; '",
        '"; touch canary; "',
        "$(touch canary) `touch canary` ${HOME}",
        "line\nEND-OF-CAMPAIGN\ntouch canary\n",
        "x" * 300,
    ],
)
def test_a_script_writes_the_campaign_file_and_runs_nothing_of_it(
    description: str, tmp_path: Path
) -> None:
    campaign = campaign_of({"python": "true", "logs": str(tmp_path / "logs"), "encrypted": False})
    campaign = campaign.model_copy(
        update={"campaign": campaign.campaign.model_copy(update={"description": description})}
    )
    script = tmp_path / "job.sh"
    script.write_text(scripts(campaign)["job.sh"])
    (tmp_path / "cwd").mkdir()
    done = subprocess.run(
        ["bash", script],
        cwd=tmp_path / "cwd",
        env={**os.environ, "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    [written] = (tmp_path / "logs").glob("skymosaic-demo-*-7/campaign.yaml")
    assert written.read_text() == resolved_yaml(campaign)
    assert list((tmp_path / "cwd").iterdir()) == []


def test_an_array_shares_out_a_programs_groups() -> None:
    program = {"source": {"kind": "mast", "proposal_id": [12812]}, "groups": {}}
    found = scripts(campaign_of({"array": 8, "array_at_once": 2}, **program))
    assert "--array=1-8%2" in directives(found["array.sh"])
    assert '--set compute.share="$SLURM_ARRAY_TASK_ID/8"' in found["array.sh"]
    assert "--set compute.share" not in found["job.sh"]
    with pytest.raises(CampaignError, match=r"compute\.slurm\.array"):
        scripts(campaign_of({"array": 8}))


def test_jobs_of_one_name_are_told_apart_by_their_stores() -> None:
    first, second = campaign_of(), campaign_of(store={"uri": "s3://bucket/other"})
    assert directives(scripts(first)["job.sh"])[0] != directives(scripts(second)["job.sh"])[0]


@pytest.mark.parametrize(
    ("workers", "tasks", "expected"),
    [("auto", 100, (4, 4)), ("auto", 3, (1, 3)), (6, 1, (2, 4)), (1, 9, (1, 1))],
)
def test_workers_are_shared_out_to_jobs(workers: Any, tasks: int, expected: Any) -> None:
    assert share_out(campaign_of(compute={"workers": workers}).compute, tasks) == expected


def test_workers_end_before_their_walltime(tmp_path: Path) -> None:
    campaign = campaign_of({"walltime": "01:00:00", "grace": 400}, compute={"memory_limit": None})
    words = script_settings(sized(campaign), 4, tmp_path)
    extra = words["worker_extra_args"]
    assert extra[:4] == ["--lifetime", "3100s", "--lifetime-stagger", "100s"]
    assert extra[4:6] == ["--memory-limit", "0"]


def test_without_slurm_the_remedy_is_told(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    compute = campaign_of({"interface": "lo", "memory": "2GB"}).compute
    with pytest.raises(ComputeError, match="there is no sbatch here"), client(compute, 1):
        pytest.fail("there is no Slurm")


def test_slurms_own_words_are_told_with_a_remedy() -> None:
    said = "sbatch: error: invalid partition specified: x\nsbatch: error: Batch job failed\n"
    message = refusal("sbatch", said)
    assert "sbatch: error: invalid partition specified: x; sbatch: error: Batch job" in message
    assert "correct compute.slurm.partition" in message


def test_a_job_that_took_too_much_memory_is_told_so() -> None:
    assert "raise compute.slurm.memory" in str(JobState("7", "OUT_OF_MEMORY", "OutOfMemory"))
    assert not JobState("7", "OUT_OF_MEMORY").alive
    assert JobState("7", "PENDING", "Priority").alive


def test_of_a_log_the_lines_that_tell_why(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text("starting\nslurmstepd: error: Exceeded job memory limit\nall is well\n")
    assert last_words([log, tmp_path / "none.log"]) == (
        "slurmstepd: error: Exceeded job memory limit"
    )


def test_the_remedy_for_too_little_memory_is_told(tmp_path: Path) -> None:
    (tmp_path / "worker-7.log").write_text(
        "slurmstepd: error: StepId=7.batch exceeded memory limit (2 > 1), being killed\n"
    )
    message = slurm.explained("a worker died repeatedly", "job 7 FAILED", tmp_path)
    assert "Slurm says: job 7 FAILED. The jobs' logs say: slurmstepd: error" in message
    assert "raise compute.slurm.memory" in message


def test_states_are_those_that_squeue_lists(tmp_path: Path, monkeypatch) -> None:
    squeue = tmp_path / "squeue"
    squeue.write_text(
        "#!/bin/sh\necho Maintenance on Monday\n"  # a site's wrapper may say more
        "echo '7|RUNNING|None'\necho '8|FAILED|NonZeroExitCode'\n"
    )
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    states = commands.states_of(["7", "8", "9"])
    assert [states[i].state for i in ("7", "8", "9")] == ["RUNNING", "FAILED", "UNKNOWN"]
    assert [states[i].alive for i in ("7", "8", "9")] == [True, False, False]


def test_a_slurm_that_answers_in_another_way_is_told_of(tmp_path: Path, monkeypatch) -> None:
    program = tmp_path / "squeue"
    program.write_text("#!/bin/sh\nprintf 'error: f\\374r\\n' >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ComputeError, match="squeue failed: error: f\N{REPLACEMENT CHARACTER}r"):
        commands.command("squeue")
    program.write_bytes(b"\x7fELF of another machine")
    with pytest.raises(ComputeError, match="squeue cannot be started"):
        commands.command("squeue")


@pytest.mark.parametrize(
    ("file", "error", "message"),
    [
        ("walltime", WalltimeError, "Slurm job 7 is nearly over"),
        ("no-workers", ComputeError, "workers of all nodes of the job ended repeatedly"),
    ],
)
def test_what_happened_before_there_were_workers_is_heard(
    file: str, error: type[Exception], message: str, tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / file).touch()
    monkeypatch.setenv("SKYMOSAIC_SLURM_RUN", str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    numbers = (signal.SIGUSR1, signal.SIGUSR2)
    before = [signal.getsignal(number) for number in numbers]
    with pytest.raises(error, match=message), client(campaign_of().compute, 1):
        pytest.fail("it is over")
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.parametrize(
    ("listed", "said", "state", "message"),
    [
        ("", "JobId=7 JobState=FAILED Reason=NonZeroExitCode ExitCode=3:0", "ended", "7 FAILED"),
        ("7|RUNNING|None", "", "alive", "job 7 RUNNING"),
        ("7|PENDING|Resources", "", "alive", "job 7 PENDING (Resources)"),
        ("7|PENDING|PartitionTimeLimit", "", "alive", "it would wait for ever"),
        # A colleague's: squeue lists one's own only.
        (
            "",
            "JobId=7 JobState=PENDING Reason=Priority ExitCode=0:0",
            "alive",
            "PENDING (Priority)",
        ),
        ("8|RUNNING|None", "", "unknown", ""),
    ],
)
def test_the_fate_of_a_submission_is_told_while_slurm_knows(
    listed: str, said: str, state: str, message: str, tmp_path: Path, monkeypatch
) -> None:
    for name, answer in (("squeue", listed), ("scontrol", said)):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{answer}'\n" if answer else "#!/bin/sh\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    text = resolved_yaml(campaign_of())
    handed_over = Submission("id", "slurm", 0, "now", "me", text, what="Slurm job 7")
    found = submission.fate(handed_over)
    assert found.state == state
    assert message in found.message if message else found.message == ""


def test_jobs_of_which_the_store_has_no_record_are_found_by_their_name(
    tmp_path: Path, monkeypatch
) -> None:
    notes = tmp_path / "notes"
    for name, answer in (("squeue", "17|PENDING|Resources|2026-11-29T08:54:42"), ("scancel", "")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho {name} \"$@\" >>{notes}\necho '{answer}'\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = submission.find("s3://bucket/prefix", "demo")
    assert found.what == "Slurm job 17" and found.fate.state == "alive"
    assert "PENDING (Resources)" in found.fate.message
    [name] = [
        line[11:] for line in directives(scripts(campaign_of())["job.sh"]) if "job-name" in line
    ]
    found.remove()
    assert notes.read_text().count(f"--name={name}") == 3
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert submission.find("s3://bucket/prefix", "demo") is None


class Slurm:
    """Slurm's commands, played: jobs get the numbers 1 and 2, and what is asked is kept."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
        self._notes = folder / "notes"
        folder.mkdir()
        usual = {"sbatch": 'case "$*" in *--test-only*) ;; *--hold*) echo 1;; *) echo 2;; esac'}
        given = {"scancel": "", "scontrol": "", "squeue": "", **usual, **scripts}
        for name, script in given.items():
            program = folder / name
            note = f"echo {name} $* >>{self._notes}"
            program.write_text(f"#!/bin/sh\n{note}\ncat >/dev/null\n{script}\n")
            program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        monkeypatch.setattr(submission, "_SECOND_THOUGHTS", 0.0)

    @property
    def asked(self) -> list[str]:
        """Commands that change something, in order."""
        lines = self._notes.read_text().splitlines()
        return [line for line in lines if "--test-only" not in line and "squeue" not in line]


def array_job(logs: Path) -> Job:
    program = {"source": {"kind": "mast", "proposal_id": [12812]}, "groups": {}}
    campaign = campaign_of({"array": 3, "logs": str(logs)}, **program)
    return Job(campaign, resolved_yaml(campaign), drive)


def test_an_array_is_held_until_the_job_after_it_is_there(tmp_path: Path, monkeypatch) -> None:
    slurm_commands = Slurm(tmp_path / "bin", monkeypatch)
    submitted = submission.submit(array_job(tmp_path))
    assert submitted.what == "Slurm job 2 after job array 1"
    assert slurm_commands.asked == [
        *("sbatch --parsable --hold", "sbatch --parsable --dependency=afterany:1"),
        "scontrol release 1",
    ]


@pytest.mark.parametrize(
    ("scripts", "taken", "said"),
    [
        (
            {"sbatch": 'case "$*" in *afterany*) echo invalid qos >&2; exit 1;; *) echo 1;; esac'},
            ["1"],
            "invalid qos",
        ),
        ({"scontrol": "echo no >&2; exit 1"}, ["1", "2"], "scontrol failed: no"),
        ({"squeue": "echo '2|PENDING|PartitionTimeLimit'"}, ["1", "2"], "Nothing was submitted"),
    ],
)
def test_where_slurm_does_not_take_all_jobs_none_stays(
    tmp_path: Path, monkeypatch, scripts: dict[str, str], taken: list[str], said: str
) -> None:
    slurm_commands = Slurm(tmp_path / "bin", monkeypatch, **scripts)
    with pytest.raises(ComputeError, match=said):
        submission.submit(array_job(tmp_path))
    assert slurm_commands.asked[-1] == f"scancel {' '.join(taken)}"


def test_jobs_that_could_not_be_taken_back_are_named(
    tmp_path: Path, monkeypatch, caplog: pytest.LogCaptureFixture
) -> None:
    Slurm(tmp_path / "bin", monkeypatch, scontrol="exit 1", scancel="echo away >&2; exit 1")
    with pytest.raises(ComputeError, match="scontrol failed"):
        submission.submit(array_job(tmp_path))
    assert "away" in caplog.text and "`scancel 1 2` removes them" in caplog.text


def test_slurm_is_asked_for_its_partition(tmp_path: Path, monkeypatch) -> None:
    sinfo = tmp_path / "sinfo"
    sinfo.write_text('#!/bin/sh\necho "$@"\n')
    sinfo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    lines = slurm.alive(campaign_of({"partition": "normal"}).compute)
    assert any("--partition=normal" in line for line in lines)


def test_the_patience_ends_with_what_slurm_says() -> None:
    class Nobody:
        def scheduler_info(self, n_workers: int) -> dict[str, Any]:
            return {"workers": {}}

    class Keeper:
        def require_hope(self) -> None: ...

        def summary(self) -> str:
            return "job 7 PENDING (Resources)"

    with pytest.raises(ComputeError, match=r"within 0 s; Slurm says: job 7 PENDING \(Resources\)"):
        slurm.wait_for_workers(Keeper(), Nobody(), 0.0, 1)
