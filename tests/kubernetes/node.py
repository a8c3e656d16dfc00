"""A node without Kubernetes: runs pods as their specs say, each a process in namespaces of its own.

What a kubelet does that matters to a program: its address, its variables, its mounts on a root that
cannot be written, its user without privileges, its probes, its preStop hook. The image is the
environment that the tests run in. Policies, limits and scheduling are not played.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

Data = dict[str, Any]

_PROGRAMS = Path(sys.executable).parent
# What stands for the image: Python, the environment, and this project, which it is installed from.
_IMAGE = (sys.base_prefix, sys.prefix, str(Path(__file__).parents[2]))
_NEEDED = ("ip", "unshare", "setpriv", "chroot", "mount")
_PREFIX = "10.209.0"

# A root that is made of the host's folders, none of which can be written, and of the mounts.
_ROOT = """
set -euo pipefail
root=$1; shift
mount --make-rprivate /
mount -t tmpfs -o mode=755 root "$root"
for entry in /*; do
  name=${entry#/}
  if [ -L "$entry" ]; then cp -a "$entry" "$root/$name"
  elif [ -d "$entry" ]; then
    mkdir "$root/$name"
    case $name in
      dev|proc|sys) mount --rbind "$entry" "$root/$name" ;;
      *) # What only root may enter stays empty, but for what is mounted below.
        if [ "$(stat -c %A "$entry" | cut -c10)" != - ]; then
          mount --bind "$entry" "$root/$name"; mount -o remount,bind,ro "$root/$name"
        fi ;;
    esac
  fi
done
while [ "$1" != -- ]; do
  mkdir -p "$root$2"; mount --bind "$1" "$root$2"
  if [ "$3" = ro ]; then mount -o remount,bind,ro "$root$2"; fi
  shift 3
done
shift
mount -o remount,ro "$root"
exec chroot "$root" "$@"
"""


def why_not() -> str | None:
    """Return why pods cannot be played here, None where they can."""
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        return f"{missing[0]} is not installed"
    if os.getuid() != 0:
        return "namespaces are made by root only"
    tried = subprocess.run(["ip", "netns", "add", name := f"sm-{uuid4().hex[:6]}"], check=False)
    subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
    if tried.returncode != 0:
        return "no network namespace can be made here"
    return None


@dataclass(frozen=True)
class Running:
    """A pod that runs."""

    name: str
    address: str
    network: str
    spec: Data
    process: subprocess.Popen[bytes]
    log: Path
    """What it prints."""


class Node:
    """Where pods run.

    Parameters
    ----------
    folder : Path
        For what pods write.
    services : mapping of str to str
        Addresses of Services by name; those of pods, as a Service has no other here.
    data : Path
        What a claimed volume is.
    texts : mapping of str to mapping
        What ConfigMaps and Secrets hold: texts by file name, by the object's kind and name, such as
        ``Secret NAME``.
    """

    def __init__(
        self,
        folder: Path,
        data: Path,
        texts: Mapping[str, Mapping[str, str]],
    ) -> None:
        self.services: dict[str, str] = {}
        self._folder, self._data, self._texts = folder, data, texts
        self._id = uuid4().hex[:6]
        self._networks: list[str] = []
        self._pods: list[Running] = []

    def __enter__(self) -> Node:
        """Make the node's own network."""
        self._network = self._add_network("node")
        _ip("-n", self._network, "link", "add", "pods", "type", "bridge")
        _ip("-n", self._network, "address", "add", f"{_PREFIX}.1/24", "dev", "pods")
        _ip("-n", self._network, "link", "set", "pods", "up")
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what still runs, and remove the networks."""
        for pod in self._pods:
            if pod.process.poll() is None:
                os.killpg(pod.process.pid, signal.SIGKILL)
            pod.process.wait()
        for network in self._networks:
            _ip("netns", "delete", network)

    def kill(self, pod: Running) -> None:
        """Take a pod away as a node does that is lost."""
        os.killpg(pod.process.pid, signal.SIGKILL)
        pod.process.wait()
        _ip("-n", pod.network, "link", "delete", "eth0")

    def run(self, spec: Data, address: str | None = None) -> Running:
        """Run a pod; one that replaces another behind a Service has its address, as it has none."""
        [container] = spec["containers"]
        number = len(self._pods) + 2
        name, address = f"{container['name']}-{number}", address or f"{_PREFIX}.{number}"
        network = self._add_network(str(number))
        end = f"pod{number}"
        _ip(
            "-n",
            self._network,
            *("link", "add", end, "type", "veth"),
            "peer",
            "eth0",
            "netns",
            network,
        )
        _ip("-n", self._network, "link", "set", end, "master", "pods", "up")
        _ip("-n", network, "address", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", network, "link", "set", "eth0", "up")
        _ip("-n", network, "link", "set", "lo", "up")
        _ip("-n", network, "route", "add", "default", "via", f"{_PREFIX}.1")
        env = self._environment(name, container)
        command = [expand(text, env) for text in container["args"]]
        inside = self._inside(name, network, spec, env, command)
        log = self._folder / name / "log"
        with log.open("wb") as printed:
            process = subprocess.Popen(
                inside, stdout=printed, stderr=subprocess.STDOUT, start_new_session=True
            )
        pod = Running(name, address, network, spec, process, log)
        self._pods.append(pod)
        return pod

    def stop(self, pod: Running) -> str:
        """End a pod as a kubelet does: its hook, then SIGTERM; return what the hook says."""
        [container] = pod.spec["containers"]
        env = self._environment(pod.name, container)
        hook = container["lifecycle"]["preStop"]["exec"]["command"]
        done = subprocess.run(
            self._inside(pod.name, pod.network, pod.spec, env, hook),
            capture_output=True,
            text=True,
            timeout=pod.spec["terminationGracePeriodSeconds"],
        )
        if pod.process.poll() is None:
            os.killpg(pod.process.pid, signal.SIGTERM)
        pod.process.wait(60)
        return done.stdout + done.stderr

    def is_ready(self, pod: Running) -> bool:
        """Whether a pod's readiness probe succeeds."""
        [container] = pod.spec["containers"]
        get = container["readinessProbe"]["httpGet"]
        [port] = [p["containerPort"] for p in container["ports"] if p["name"] == get["port"]]
        url = f"http://{pod.address}:{port}{get['path']}"
        script = (
            "import urllib.request as r; "
            f"r.build_opener(r.ProxyHandler({{}})).open({url!r}, timeout=10)"
        )
        return self.outside(script).returncode == 0

    def outside(self, script: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program of Python in the pods' network, in none of them: a stranger's."""
        command = ["ip", "netns", "exec", self._network, sys.executable, "-c", script]
        return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60)

    def _environment(self, name: str, container: Data) -> dict[str, str]:
        env = {"PATH": f"{_PROGRAMS}:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
        for service, address in self.services.items():
            env[f"{service.upper().replace('-', '_')}_SERVICE_HOST"] = address
        for entry in container["env"]:
            field = entry.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
            env[entry["name"]] = name if field else expand(entry["value"], env)
        return env

    def _inside(
        self, name: str, network: str, spec: Data, env: Mapping[str, str], command: Sequence[str]
    ) -> list[str]:
        """Return the command that runs another in a pod's namespaces, as its user."""
        [container] = spec["containers"]
        root = self._folder / name / "root"
        root.mkdir(parents=True, exist_ok=True)
        user = str(spec["securityContext"]["runAsUser"])
        mounts = [part for path in _IMAGE for part in (path, path, "ro")]
        for mount in container["volumeMounts"]:
            mounts += self._mount(name, spec, mount)
        return [
            *("ip", "netns", "exec", network, "unshare", "--mount"),
            *("bash", "-c", _ROOT, "root", str(root), *mounts, "--"),
            *("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"),
            *("--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"),
            *("env", "-i", *(f"{key}={value}" for key, value in env.items())),
            *command,
        ]

    def _mount(self, name: str, spec: Data, mount: Data) -> tuple[str, str, str]:
        [volume] = [one for one in spec["volumes"] if one["name"] == mount["name"]]
        place = self._folder / name / volume["name"]
        if "persistentVolumeClaim" in volume:
            place = self._data
        place.mkdir(parents=True, exist_ok=True)
        user, group = spec["securityContext"]["runAsUser"], spec["securityContext"]["fsGroup"]
        if "configMap" in volume:
            _write(place, self._texts[f"ConfigMap {volume['configMap']['name']}"], 0o644, group)
        elif "secret" in volume:
            secret = volume["secret"]
            texts = self._texts[f"Secret {secret['secretName']}"]
            _write(place, texts, secret["defaultMode"], group)
        else:
            os.chown(place, user, group)
        return str(place), mount["mountPath"], "ro" if mount.get("readOnly") else "rw"

    def _add_network(self, name: str) -> str:
        network = f"sm-{self._id}-{name}"
        _ip("netns", "add", network)
        self._networks.append(network)
        return network


def _write(folder: Path, texts: Mapping[str, str], mode: int, group: int) -> None:
    """Write files as a kubelet does: root's, and of the group of the pod's volumes."""
    for name, text in texts.items():
        (folder / name).write_text(text)
        os.chown(folder / name, 0, group)
        (folder / name).chmod(mode)


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replace what is written $(NAME), where it is known, as Kubernetes does."""
    return re.sub(r"\$\((\w+)\)", lambda found: env.get(found[1], found[0]), text)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
