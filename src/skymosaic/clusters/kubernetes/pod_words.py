"""What a cluster says of a campaign's pods, in words for its user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

Data = dict[str, Any]

COMPONENT = "app.kubernetes.io/component"
_STARTING = {"ContainerCreating", "PodInitializing"}
_ENDED = {"Succeeded", "Failed"}
_LONGEST = 300  # characters of one reason
_MEMORY = "OOMKilled"
_MORE = "; it needs more memory: set compute.kubernetes.memory"


def what_stops(pod: Data, now: datetime) -> str:
    """Return why a pod is not at work, in a line; empty where it is, or only begins.

    Parameters
    ----------
    pod : dict
        The object.
    now : datetime
        From when on to count how long that has lasted.
    """
    status = pod.get("status", {})
    reasons = [
        _leaving(pod),
        _unreachable(pod, now),
        _unscheduled(status, now),
        *(_container(one, pod, now) for one in status.get("containerStatuses", [])),
    ]
    return "; ".join(short(reason) for reason in reasons if reason)


def driver_words(job: Data, pods: Iterable[Data], refused: Sequence[Data], now: datetime) -> str:
    """Return how a campaign's driver is; empty where the cluster says nothing of it.

    Parameters
    ----------
    job : dict
        The Job, which has not ended.
    pods : iterable of dict
        The campaign's pods.
    refused : sequence of dict
        Events of pods that could not be made for the Job.
    now : datetime
        As in `what_stops`.
    """
    status, limit = job.get("status", {}), job["spec"].get("backoffLimit", "?")
    drivers = sorted(_of(pods, "driver"), key=lambda pod: str(_born(pod)))
    at_work = [pod for pod in drivers if pod.get("status", {}).get("phase") not in _ENDED]
    failures = status.get("failed", 0)
    again = f", started again ({failures} of {limit})" if failures else ""
    if at_work:
        pod = at_work[-1]
        stopped = what_stops(pod, now)
        running = pod.get("status", {}).get("phase") == "Running"
        at_rest = "driver runs" if running else "driver starts"
        return f"{f'driver: {stopped}' if stopped else at_rest}{again}"
    if refused:
        since = min(_time_of(event) for event in refused)
        return f"no driver{_lasting(since, now)}: {short(refused[-1].get('message', ''))}"
    if failures:
        return f"driver lost{_how(drivers)}; Kubernetes starts it again ({failures} of {limit})"
    if "startTime" in status:
        return "there is no driver at this moment; Kubernetes starts one"
    return ""


def workers_words(pods: Sequence[Data], deployments: Iterable[Data], now: datetime) -> list[str]:
    """Return how a campaign's workers and its scheduler are, a sentence each.

    Parameters
    ----------
    pods : sequence of dict
        The campaign's pods.
    deployments : iterable of dict
        Its Deployments.
    now : datetime
        As in `what_stops`.
    """
    words, refused = [], []
    for deployment in deployments:
        component = deployment["metadata"].get("labels", {}).get(COMPONENT, "")
        if component == "worker":
            words.append(_count(pods, deployment))
        refused += [
            f"{component}: no more pods{_lasting(condition.get('lastTransitionTime'), now)}: "
            + short(condition.get("message", ""))
            for condition in _conditions(deployment, "ReplicaFailure", "True")
        ]
    others = [pod for pod in pods if _component(pod) != "driver"]
    return [*words, *refused, *_grouped(others, now)]


def refusals_needed(job: Data) -> bool:
    """Whether a Job has no pod, so that only events tell what keeps it from having one."""
    status = job.get("status", {})
    return "startTime" in status and not (status.get("active") or status.get("terminating"))


def short(text: str) -> str:
    """Return a reason in one line that is not too long."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _of(pods: Iterable[Data], component: str) -> list[Data]:
    return [pod for pod in pods if _component(pod) == component]


def _component(pod: Data) -> str:
    return str(pod["metadata"].get("labels", {}).get(COMPONENT, ""))


def _count(pods: Iterable[Data], deployment: Data) -> str:
    running = [
        pod
        for pod in _of(pods, "worker")
        if _conditions(pod, "Ready", "True") and "deletionTimestamp" not in pod["metadata"]
    ]
    return f"workers: {len(running)} of {deployment['spec'].get('replicas', 1)} run"


def _grouped(pods: Iterable[Data], now: datetime) -> list[str]:
    """Return what stops pods: once where it is the same for several."""
    found: Counter[str] = Counter()
    first: dict[str, str] = {}
    for pod in pods:
        if reason := what_stops(pod, now):
            found[reason] += 1
            first.setdefault(reason, pod["metadata"]["name"])
    return [
        f"pod {first[reason]}" + (f" and {count - 1} more" if count > 1 else "") + f": {reason}"
        for reason, count in found.items()
    ]


def _how(drivers: Sequence[Data]) -> str:
    """Return how the last driver ended, if its pod is there still."""
    ends = [
        one["state"]["terminated"]
        for pod in drivers[-1:]
        for one in pod.get("status", {}).get("containerStatuses", [])
        if "terminated" in one.get("state", {})
    ]
    return f" ({_end(ends[0])})" if ends else ""


def _leaving(pod: Data) -> str:
    if "deletionTimestamp" not in pod["metadata"]:
        return ""
    for disrupted in _conditions(pod, "DisruptionTarget", "True"):
        if disrupted.get("reason") == "DeletionByTaintManager":
            node = pod["spec"].get("nodeName", "")
            return (
                f"is on node {node}, which does not answer; Kubernetes starts no other before the "
                f"node is back, or its object is deleted (`kubectl delete node {node}`)"
            )
        return f"leaves ({disrupted.get('reason')}: {disrupted.get('message', '')})"
    return "leaves: its pod is being deleted"


def _unreachable(pod: Data, now: datetime) -> str:
    """Return that a pod's node does not answer: no more is known of the pod then."""
    status = pod.get("status", {})
    ready = [one.get("ready") for one in status.get("containerStatuses", [])]
    lost = _conditions(pod, "Ready", "False")
    if "deletionTimestamp" in pod["metadata"] or not (ready and all(ready) and lost):
        return ""
    since = _lasting(lost[0].get("lastTransitionTime"), now)
    return f"is on node {pod['spec'].get('nodeName', '')}, which does not answer{since}"


def _unscheduled(status: Data, now: datetime) -> str:
    return "; ".join(
        f"{one.get('reason')}{_lasting(one.get('lastTransitionTime'), now)}: {one.get('message')}"
        for one in status.get("conditions", [])
        if one["type"] == "PodScheduled" and one["status"] == "False"
    )


def _container(container: Data, pod: Data, now: datetime) -> str:
    state = container.get("state", {})
    last = container.get("lastState", {}).get("terminated", {})
    waiting = state.get("waiting", {}).get("reason")
    if "terminated" in state:
        ended = state["terminated"]
        return f"ended ({_end(ended)})" if ended.get("exitCode") else ""
    more = _MORE if last.get("reason") == _MEMORY and _component(pod) == "worker" else ""
    starts = f"ended {container.get('restartCount', 0)} times, last by {_end(last)}"
    if waiting == "CrashLoopBackOff":
        return f"{starts}; it waits before it starts again (CrashLoopBackOff){more}"
    if waiting not in (None, *_STARTING):
        message = state["waiting"].get("message", "")
        return f"{waiting}{_lasting(_born(pod), now)}" + (f": {message}" if message else "")
    return f"{starts}; it was started again{more}" if last.get("exitCode") else ""


def _end(terminated: Data) -> str:
    """Return how a container ended."""
    reason = terminated.get("reason", "")
    code = f"exit code {terminated.get('exitCode', '?')}"
    return code if reason in ("", "Error", "Completed") else f"{reason}, {code}"


def _conditions(one: Data, kind: str, status: str) -> list[Data]:
    return [
        condition
        for condition in one.get("status", {}).get("conditions", [])
        if condition["type"] == kind and condition["status"] == status
    ]


def _born(pod: Data) -> str | None:
    born: str | None = pod["metadata"].get("creationTimestamp")
    return born


def _time_of(event: Data) -> str:
    return str(event.get("firstTimestamp") or event.get("eventTime") or "")


def _lasting(since: str | None, now: datetime) -> str:
    """Return for how long something has been so; empty where that is not known."""
    try:
        begun = datetime.fromisoformat(since or "")
    except ValueError:
        return ""
    seconds = (now - begun.replace(tzinfo=begun.tzinfo or UTC)).total_seconds()
    for unit, name in ((3600, "h"), (60, "min"), (1, "s")):
        if seconds >= 2 * unit:
            return f" (for {seconds / unit:.0f} {name})"
    return ""
