"""An API server of Kubernetes as far as kubectl needs one to make, change, list and delete objects.

It knows who may do what, keeps a Job's template and immutable Secrets as they are, and deletes what
belongs to an object together with it. It admits, schedules and starts nothing.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

Data = dict[str, Any]

RESOURCES = {
    "v1": {
        **{"configmaps": "ConfigMap", "events": "Event", "namespaces": "Namespace"},
        **{"pods": "Pod", "secrets": "Secret", "services": "Service"},
    },
    "apps/v1": {"deployments": "Deployment"},
    "autoscaling/v2": {"horizontalpodautoscalers": "HorizontalPodAutoscaler"},
    "batch/v1": {"jobs": "Job"},
    "networking.k8s.io/v1": {"networkpolicies": "NetworkPolicy"},
    "policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
}
NAMESPACE = "skymosaic"
"""The only one that is there."""
_VERBS = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}


class Refused(Exception):
    """What is not done, and why, in Kubernetes' own words."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


class Cluster:
    """Objects, and who may do what with them.

    Parameters
    ----------
    allowed : mapping of str to set of str
        Verbs that the user has, by resource, such as ``jobs``.
    """

    def __init__(self, allowed: Mapping[str, set[str]]) -> None:
        self.objects: dict[tuple[str, str], Data] = {}
        """By resource and name."""
        self.used: dict[str, set[str]] = {}
        """Verbs that were used, by resource."""
        self._allowed = allowed
        self._lock = threading.Lock()

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Data) -> Data:
        """Return what the server answers."""
        below = path.removeprefix("/apis/").removeprefix("/api/")
        if "/namespaces/" not in path:  # of all namespaces
            below = f"{below.rpartition('/')[0]}/namespaces//{below.rpartition('/')[2]}"
        group, _, rest = below.partition("/namespaces/")
        namespace, _, named = rest.partition("/")
        resource, *names = named.split("/") if named else ["namespaces", namespace]
        dry = query.get("dryRun") == "All"
        if resource not in RESOURCES.get(group, {}):
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        self._require(self._verb(method, query, names), resource, namespace)
        with self._lock:
            if method == "GET" and not names:
                return self._list(group, resource, query)
            applied = method == "PATCH" and "fieldManager" in query and "force" in query
            if method == "POST" or (applied and (resource, names[0]) not in self.objects):
                self._require("create", resource, namespace)
                return self._create(resource, body, dry)
            key = resource, names[0]
            if key == ("namespaces", NAMESPACE):
                return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
            if key not in self.objects:
                raise Refused(404, "NotFound", f'{resource} "{names[0]}" not found')
            if method == "PATCH":
                self._patch(key, body)
            elif method == "DELETE":
                return self._delete(key, body.get("preconditions", {}).get("uid"))
            return self.objects[key]

    def _verb(self, method: str, query: Mapping[str, str], names: list[str]) -> str:
        if method == "GET":
            return "get" if names else "watch" if "watch" in query else "list"
        return _VERBS[method]

    def _require(self, verb: str, resource: str, namespace: str) -> None:
        self.used.setdefault(resource, set()).add(verb)
        # The user's role is one of the namespace.
        if verb not in self._allowed.get(resource, set()) or namespace != NAMESPACE:
            raise Refused(
                403,
                "Forbidden",
                f'{resource} is forbidden: User "me" cannot {verb} resource "{resource}" in API '
                f'group "" in the namespace "{namespace}"',
            )

    def _list(self, group: str, resource: str, query: Mapping[str, str]) -> Data:
        labels = dict(pair.split("=") for pair in query.get("labelSelector", "").split(",") if pair)
        name = query.get("fieldSelector", "").removeprefix("metadata.name=")
        found = [
            one
            for (its, _), one in self.objects.items()
            if its == resource
            and (not name or one["metadata"]["name"] == name)
            and labels.items() <= one["metadata"].get("labels", {}).items()
        ]
        kind = f"{RESOURCES[group][resource]}List"
        return {"apiVersion": group, "kind": kind, "metadata": {}, "items": found}

    def _create(self, resource: str, body: Data, dry: bool) -> Data:
        key = resource, body["metadata"]["name"]
        if key in self.objects:
            raise Refused(409, "AlreadyExists", f'{resource} "{key[1]}" already exists')
        body["metadata"]["uid"] = str(uuid4())
        if not dry:
            self.objects[key] = body
        return body

    def _patch(self, key: tuple[str, str], body: Data) -> None:
        changed = _merged(self.objects[key], body)
        for fixed in ("spec.template",) if key[0] == "jobs" else ("data", "stringData"):
            if key[0] in ("jobs", "secrets") and _at(changed, fixed) != _at(
                self.objects[key], fixed
            ):
                raise Refused(422, "Invalid", f"{fixed}: field is immutable")
        self.objects[key] = changed

    def _delete(self, key: tuple[str, str], uid: str | None) -> Data:
        if uid not in (None, self.objects[key]["metadata"]["uid"]):
            raise Refused(409, "Conflict", f"the UID in the precondition ({uid}) does not match")
        gone = self.objects.pop(key)
        owned = [
            other
            for other, one in self.objects.items()
            for owner in one["metadata"].get("ownerReferences", [])
            if owner["uid"] == gone["metadata"]["uid"]
        ]
        for other in owned:
            self.objects.pop(other)
        return {"apiVersion": "v1", "kind": "Status", "status": "Success"}


def _at(value: Data, path: str) -> Any:
    for part in path.split("."):
        value = value.get(part) or {}
    return value


def _merged(there: Any, patch: Any) -> Any:
    """Return what a merge patch (RFC 7386) makes of an object."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(there) if isinstance(there, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif not key.startswith("$"):  # kubectl's directives for lists
            merged[key] = _merged(merged.get(key), value)
    return merged


def _discovery(path: str) -> Data | None:
    """Return what kubectl asks before all else: which objects there are, and who checks them."""
    groups = [name for name in RESOURCES if "/" in name]
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        versions = [{"groupVersion": group, "version": group.split("/")[1]} for group in groups]
        listed = [
            {"name": one["groupVersion"].split("/")[0], "versions": [one], "preferredVersion": one}
            for one in versions
        ]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
    if path == "/openapi/v3":
        places = {f"apis/{group}" if "/" in group else "api/v1": group for group in RESOURCES}
        return {
            "paths": {
                place: {"serverRelativeURL": f"/openapi/v3/{group}"}
                for place, group in places.items()
            }
        }
    if path.startswith("/openapi/v3/"):
        return _checked(path.removeprefix("/openapi/v3/"))
    group = path.removeprefix("/apis/").removeprefix("/api/")
    if group in RESOURCES:
        verbs = ["create", "delete", "get", "list", "patch", "watch"]
        listed = [
            {
                **{"name": name, "singularName": kind.lower(), "kind": kind, "verbs": verbs},
                "namespaced": name != "namespaces",
            }
            for name, kind in RESOURCES[group].items()
        ]
        return {"kind": "APIResourceList", "groupVersion": group, "resources": listed}
    return None


def _checked(group: str) -> Data:
    """Return a description by which kubectl leaves it to the server to check fields."""
    name, _, version = group.rpartition("/")
    paths = {}
    for resource, kind in RESOURCES[group].items():
        paths[f"/{group}/namespaces/{{namespace}}/{resource}/{{name}}"] = {
            "patch": {
                "parameters": [
                    {"name": name, "in": "query"} for name in ("fieldValidation", "dryRun")
                ],
                "responses": {},
                "x-kubernetes-group-version-kind": {
                    "group": name,
                    "version": version,
                    "kind": kind,
                },
            }
        }
    info = {"title": "played", "version": "1"}
    return {"openapi": "3.0.0", "info": info, "paths": paths}


@contextmanager
def running(cluster: Cluster, kubeconfig: Path) -> Iterator[None]:
    """Serve a cluster, and write the file by which kubectl finds it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            url = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                answer = _discovery(url.path) if self.command == "GET" else None
                if answer is None:
                    body = json.loads(text) if text else {}
                    answer = cluster.answer(self.command, url.path, query, body)
                self._say(200, answer)
            except Refused as refused:
                status = {"apiVersion": "v1", "kind": "Status", "status": "Failure"}
                said = {"message": str(refused), "reason": refused.reason, "code": refused.code}
                self._say(refused.code, {**status, **said})

        def _say(self, code: int, answer: Data) -> None:
            text = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _do

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        address = f"http://127.0.0.1:{server.server_port}"
        context = {"name": "played", "context": {"cluster": "played", "user": "me"}}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "played", "cluster": {"server": address}}],
            "users": [{"name": "me", "user": {}}],
            "contexts": [context],
            "current-context": "played",
        }
        kubeconfig.write_text(json.dumps(config))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
