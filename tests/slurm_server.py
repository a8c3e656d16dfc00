"""A real Slurm of two virtual nodes on 127.0.0.1, for tests: all of it in one folder, by its pids.

``python -m tests.slurm_server FOLDER`` starts one, prints the environment that Slurm's commands
need, and stops it at Ctrl-C or SIGTERM. Debian's packages slurm-wlm and munge have the programs.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_PATIENCE = 60.0  # s
_CONFIGURATION = """\
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=bf_interval=1,sched_min_interval=100000,batch_sched_delay=1
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=5
KillOnBadExit=0
MinJobAge=600
SlurmdTimeout=30
SlurmdParameters=config_overrides
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={n1} CPUs=8 RealMemory=16000 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={n2} CPUs=8 RealMemory=16000 State=UNKNOWN
PartitionName=normal Nodes=n1,n2 Default=YES MaxTime=04:00:00 State=UP PriorityTier=1
PartitionName=urgent Nodes=n1,n2 MaxTime=04:00:00 State=UP PriorityTier=9
"""


class SlurmServer:
    """The daemons: munged, slurmctld, and a slurmd for each of the nodes n1 and n2.

    Parameters
    ----------
    folder : Path
        Where they keep everything.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "munge").mkdir(parents=True)
        folder.chmod(0o755)
        (folder / "munge").chmod(0o755)
        for name in ("state", "spool-n1", "spool-n2"):
            (folder / name).mkdir()
        key = folder / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        port, n1, n2 = _free_ports(3)
        (folder / "slurm.conf").write_text(
            _CONFIGURATION.format(
                folder=folder,
                user=getpass.getuser(),
                host=socket.gethostname().split(".")[0],
                port=port,
                n1=n1,
                n2=n2,
            )
        )

    @property
    def environment(self) -> dict[str, str]:
        """What Slurm's commands need to know."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def start(self) -> None:
        """Start all daemons, and wait until both nodes are idle."""
        self._start(
            "munged",
            *("--foreground", "--force", f"--key-file={self.folder}/munge/key"),
            *(f"--socket={self.folder}/munge/socket", f"--pid-file={self.folder}/munge/pid"),
            *(f"--log-file={self.folder}/munge/log", f"--seed-file={self.folder}/munge/seed"),
            "--num-threads=2",
        )
        self._wait((self.folder / "munge" / "socket").exists, "munged")
        self.start_controller()
        for node in ("n1", "n2"):
            self.start_node(node)
        self._wait(lambda: self.node_states() == {"n1": "idle", "n2": "idle"}, "the nodes")

    def start_controller(self) -> None:
        """Start slurmctld, which goes on from the state that an earlier one left."""
        self._start("slurmctld", "-D")

    def stop_controller(self) -> None:
        """End slurmctld; the jobs go on."""
        controller = self._processes.pop("slurmctld")
        controller.send_signal(signal.SIGTERM)
        controller.wait(_PATIENCE)

    def start_node(self, node: str) -> None:
        """Start the slurmd of a node."""
        self._start("slurmd", "-D", "-N", node, name=node)

    def node_states(self) -> dict[str, str]:
        """Return the states of the nodes in Slurm's words."""
        listed = self.command("sinfo", "--noheader", "--Node", "--format=%N %T", check=False)
        return dict(line.split() for line in listed.splitlines())

    def command(self, *words: str, check: bool = True) -> str:
        """Run a command of Slurm; return what it prints."""
        return subprocess.run(
            words,
            check=check,
            capture_output=True,
            text=True,
            env={**os.environ, **self.environment},
        ).stdout

    def stop(self) -> None:
        """Cancel all jobs, wait for their end, and stop the daemons."""
        if "slurmctld" in self._processes:
            self.command("scancel", f"--user={getpass.getuser()}", check=False)
            end = time.monotonic() + 20
            while self.command("squeue", "--noheader", check=False).strip():
                if time.monotonic() > end:
                    break
                time.sleep(0.2)
        for process in reversed(self._processes.values()):
            process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()
        for step in _steps(self.folder):  # of a node whose slurmd was killed
            step.kill()

    def _start(self, program: str, *words: str, name: str = "") -> None:
        path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        if path is None:
            raise RuntimeError(f"{program} is not installed; scripts/test-slurm installs it")
        with (self.folder / f"{name or program}.out").open("ab") as log:
            self._processes[name or program] = subprocess.Popen(
                [path, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    def _wait(self, condition, what: str) -> None:
        end = time.monotonic() + _PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise RuntimeError(f"{what} did not start; see {self.folder}/*.out and *.log")
            time.sleep(0.1)


def _steps(folder: Path) -> list[psutil.Process]:
    """Return the slurmstepd processes of this Slurm, which outlive a killed slurmd."""
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if process.info["name"] == "slurmstepd" and process.environ().get("SLURM_CONF") == str(
                folder / "slurm.conf"
            ):
                found += [process, *process.children(recursive=True)]
        except psutil.Error:
            continue
    return found


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@contextmanager
def slurm_server(folder: Path) -> Iterator[SlurmServer]:
    """Yield a running Slurm, stopped at the end; its environment is that of this process, too."""
    server = SlurmServer(folder)
    before = os.environ.get("SLURM_CONF")
    os.environ.update(server.environment)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        if before is None:
            del os.environ["SLURM_CONF"]
        else:
            os.environ["SLURM_CONF"] = before


def main() -> None:
    """Run a Slurm until it is interrupted."""
    with slurm_server(Path(sys.argv[1]).absolute()) as server:
        # Not before: Slurm's daemons, and with them the jobs, would never hear of a SIGTERM.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        for name, value in server.environment.items():
            print(f"export {name}={value}")
        print(f"# pid {os.getpid()}; Ctrl-C or SIGTERM stops it", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
