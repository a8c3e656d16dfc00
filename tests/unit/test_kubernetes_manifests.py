"""What is rendered for Kubernetes: of any campaign, and the same as k8s/ has."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from skymosaic.clusters.base import Job
from skymosaic.clusters.kubernetes.names import object_name
from skymosaic.clusters.kubernetes.planning import plan
from skymosaic.clusters.kubernetes.submit import documents
from skymosaic.clusters.kubernetes.text import as_yaml
from skymosaic.config import Campaign, load_campaign, load_campaign_text, resolved_yaml
from skymosaic.errors import CampaignError
from skymosaic.runs.driver import drive
from tests.conftest import write_campaign
from tests.kubernetes import dask_operator
from tests.kubernetes.checks import faults
from tests.kubernetes.manifests import (
    FOLDER,
    OVERLAYS,
    build,
    build_overlay,
    demo,
    generated,
    kubectl,
    rendered,
)


def needs_kubectl(test: Callable[..., None]) -> Callable[..., None]:
    """Leave a test to scripts/test-kubernetes, which installs kubectl."""
    absent = pytest.mark.skipif(kubectl() is None, reason="kubectl is not installed")
    return pytest.mark.kubectl(absent(test))


HOSTILE = (
    "",
    "..",
    "../../etc/passwd",
    "a" * 300,
    "Ünïcödé ☃",
    "with\nnewline: injected",
    "quotes'\"`",
    "$(SECRET)",
    "{{ .Values }}",
    "y",
    "1e3",
    "0o17",
    "12:30:45",
    "-",
    "--flag",
    "null",
    "\x00\x1b[31m",
    "\ud800",
    "end\n---\nkind: Secret",
    "trailing ",
    "# comment",
    "&anchor *alias",
    "|",
)


def campaign(tmp_path: Path, **compute: Any) -> Campaign:
    file = write_campaign(
        tmp_path / "field.yaml",
        source={"kind": "simulated"},
        store={"uri": "s3://bucket/mosaics"},
        compute={"backend": "kubernetes", **compute},
    )
    return load_campaign(file)


def by_name(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {f"{one['kind']} {one['metadata']['name']}": one for one in objects}


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_gives_a_name_that_kubernetes_takes(text: str) -> None:
    name = object_name(text)
    # What the operator appends to it, -default-worker-0123456789, fits as well.
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name)
    assert len(name) <= 63 - len("-scheduler")
    assert len(name) <= 45


def test_texts_that_look_alike_have_names_of_their_own() -> None:
    texts = [*HOSTILE, "a" * 299, "M-16", "m-16", "m.16", "m_16", "m--16", "-m-16", "m-16-"]
    names = [object_name(text) for text in texts]
    # Nor can a name be chosen so that it is another's.
    names += [object_name(name.removeprefix("skymosaic-")) for name in names if len(name) > 30]
    assert len(set(names)) == len(names)
    assert object_name("m-16") == "skymosaic-m-16"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_value_stays_in_its_field(tmp_path: Path, text: str) -> None:
    good = campaign(tmp_path)
    # The campaign file refuses most of these; the renderer does not rely on that.
    identity = good.campaign.model_copy(update={"name": text, "description": text})
    hostile = good.model_copy(update={"campaign": identity})
    objects = rendered(hostile)
    assert faults(objects) == []
    kinds = [one["kind"] for one in objects]
    assert kinds == [one["kind"] for one in rendered(good)]
    [config] = [one for one in objects if one["kind"] == "ConfigMap"]
    inside = yaml.safe_load(config["data"]["campaign.yaml"])
    assert inside["campaign"] == {"name": text, "description": text}
    assert config["metadata"]["annotations"]["skymosaic/campaign"] == text


@needs_kubectl
def test_go_reads_what_python_wrote(tmp_path: Path) -> None:
    texts = [text for text in HOSTILE if text.isprintable() or "\n" in text]
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "texts"},
        "data": {f"text-{number}": text for number, text in enumerate(texts)},
    }
    (tmp_path / "texts.yaml").write_text(as_yaml([config_map]))
    (tmp_path / "kustomization.yaml").write_text("resources: [texts.yaml]\n")
    assert build(tmp_path) == [config_map]


def test_base_is_what_the_renderer_makes() -> None:
    for path, text in generated().items():
        assert path.read_text() == text, "run scripts/write-kubernetes"


@needs_kubectl
def test_nothing_in_base_is_left_out() -> None:
    whole = [*build(FOLDER / "namespace"), *build(FOLDER / "base")]
    assert by_name(whole) == by_name(rendered(demo()))


@needs_kubectl
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_deleting_a_campaign_leaves_what_all_campaigns_share(overlay: str) -> None:
    own = build(FOLDER / "overlays" / overlay)
    shared = {"Namespace", "PriorityClass", "ServiceAccount"}
    assert not {one["kind"] for one in own} & shared
    assert "deny-all" not in {one["metadata"]["name"] for one in own}
    # A pod is told of those Services only that were there before it.
    kinds = [one["kind"] for one in own]
    assert kinds.index("Service") < kinds.index("Deployment") if "Deployment" in kinds else kinds


@needs_kubectl
@pytest.mark.parametrize("overlay", ["local", "aws"])
def test_an_overlay_is_what_its_settings_give(overlay: str) -> None:
    built, written = (
        by_name(_without_settings(objects))
        for objects in (build_overlay(overlay), rendered(demo(overlay)))
    )
    assert built.keys() == written.keys()
    for name, one in written.items():
        assert built[name] == one, name


def _without_settings(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return objects without what tells the settings of the whole: these differ by nature."""
    objects = copy.deepcopy(objects)
    for one in objects:
        if one["kind"] == "ConfigMap":
            inside = yaml.safe_load(one["data"]["campaign.yaml"])
            del inside["compute"]
            one["data"]["campaign.yaml"] = inside
        if one["kind"] == "Job":
            del one["spec"]["template"]["metadata"]["annotations"]["skymosaic/sha256"]
    return objects


@needs_kubectl
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_has_no_fault(overlay: str) -> None:
    assert faults(build_overlay(overlay)) == []


def test_the_driver_reads_the_campaign_that_was_meant(tmp_path: Path) -> None:
    given = campaign(tmp_path, scratch="/home/me/scratch", cache="/home/me/cache", workers=3)
    [config] = [one for one in rendered(given) if one["kind"] == "ConfigMap"]
    text = config["data"]["campaign.yaml"]
    there = load_campaign_text(text, "the pod", {})
    assert there.compute.scratch == Path("/scratch")
    assert there.compute.cache is None
    same = {"scratch": None, "cache": None}
    assert there.model_copy(
        update={"compute": there.compute.model_copy(update=same)}
    ) == given.model_copy(update={"compute": given.compute.model_copy(update=same)})


def test_memory_and_scratch_are_as_projected_unless_given(tmp_path: Path) -> None:
    projected, given = (
        plan(campaign(tmp_path)),
        plan(campaign(tmp_path, kubernetes={"memory": "6Gi", "scratch_size": "50Gi"})),
    )
    assert re.fullmatch(r"\d+Mi", projected.memory) and re.fullmatch(r"\d+Mi", projected.scratch)
    assert (given.memory, given.scratch) == ("6Gi", "50Gi")


def test_spot_nodes_are_for_workers_only() -> None:
    objects = by_name(rendered(demo("aws")))
    specs = {
        name: one["spec"]["template"]["spec"]
        for name, one in objects.items()
        if one["kind"] in ("Deployment", "Job")
    }
    for name, spec in specs.items():
        spot = spec["nodeSelector"] == {"eks.amazonaws.com/capacityType": "SPOT"}
        assert spot == name.endswith("-workers") == ("tolerations" in spec)


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"store": {"uri": "/home/me/store"}}, "store.uri is /home/me/store, a folder"),
        (
            {"source": {"kind": "directory", "path": "/home/me/data"}},
            "source.path is /home/me/data, a folder",
        ),
        ({"store": {"uri": "s3://bucket/a", "profile": "me"}}, "pods have no ~/.aws"),
    ],
)
def test_what_pods_do_not_see_is_refused(
    tmp_path: Path, sections: dict[str, Any], said: str
) -> None:
    given = {
        "source": {"kind": "simulated"},
        "store": {"uri": "s3://bucket/a"},
        "compute": {"backend": "kubernetes"},
        **sections,
    }
    job = Job(load_campaign(write_campaign(tmp_path / "field.yaml", **given)), "", drive)
    with pytest.raises(CampaignError, match=said):
        documents(job)


def test_a_folder_on_a_volume_is_seen(tmp_path: Path) -> None:
    file = write_campaign(
        tmp_path / "field.yaml",
        source={"kind": "directory", "path": "/data/12812"},
        store={"uri": "/data/store"},
        compute={"backend": "kubernetes", "kubernetes": {"volume_claim": "mosaics"}},
    )
    objects = rendered(load_campaign(file))
    assert faults(objects) == []
    assert json.dumps(objects).count('"claimName": "mosaics"') == 2  # workers and driver


def test_a_campaign_that_no_config_map_holds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = campaign(tmp_path)
    monkeypatch.setattr("skymosaic.clusters.kubernetes.planning._LONGEST_CAMPAIGN", 100)
    with pytest.raises(CampaignError, match="a ConfigMap takes"):
        plan(given)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("namespace", "No Such", "lower-case letters"),
        ("image", "a b", "name of an image"),
        ("memory", "4GiB", "quantity of Kubernetes"),
        ("cpu", "0", "from 10m to 1024 cores"),
        ("spot_nodes", {"a b": "c"}, "label's key"),
        ("spot_nodes", {"a": "c\nd"}, "label's value"),
        ("egress_networks", ["everywhere"], "a network"),
        # The API server asks for an address and its length, no zone, no bit behind the length.
        ("egress_networks", ["10.0.0.5"], "write 10.0.0.5/32"),
        ("egress_networks", ["10.1.2.3/8"], "write 10.0.0.0/8"),
        ("egress_networks", ["10.0.0.0/255.0.0.0"], "write 10.0.0.0/8"),
        ("egress_networks", ["10.0.0.0/08"], "write 10.0.0.0/8"),
        ("egress_networks", ["2001:db8::%eth0/32"], "write 2001:db8::/32"),
        ("egress_networks", ["::ffff:10.0.0.0/104"], "not IPv4 addresses written as IPv6"),
        ("egress_networks", ["169.254.0.0/16"], "is within 169.254.0.0/16"),
        ("egress_networks", ["169.254.169.254/32"], "is within 169.254.0.0/16"),
        ("egress_networks", ["fe80::/64"], "is within fe80::/10"),
        ("egress_networks", ["fe80::1%eth0/128"], "is within fe80::/10"),
        ("retries", 3_000_000_000, "1000000"),
        ("max_workers", 3_000_000_000, "1000000"),
        ("keep_minutes", 1e8, "527040"),
        ("grace", 1e20, "31622400"),
        ("egress_ports", [70000], "65535"),
        ("volume_path", "/scratch/data", "is taken"),
        ("volume_path", "/lib64", "is taken"),
        ("volume_path", "/data/../etc", "absolute path"),
        ("keys", "my secret", "DNS name"),
    ],
)
def test_settings_that_kubernetes_would_refuse_are_refused(
    tmp_path: Path, key: str, value: Any, said: str
) -> None:
    with pytest.raises(CampaignError, match=said) as caught:
        campaign(tmp_path, kubernetes={key: value})
    assert f"compute.kubernetes.{key}" in str(caught.value)


def test_numbers_at_their_bounds_fit_the_fields_of_the_api(tmp_path: Path) -> None:
    """All but two are 32-bit integers in the API's schema; a deadline is positive."""
    most = {"deadline_hours": 8784, "keep_minutes": 527_040, "retries": 10**6}
    most |= {"max_workers": 10**6, "grace": 366 * 86400}
    least = {"deadline_hours": 1e-9, "keep_minutes": 1e-9, "retries": 0, "max_workers": 1}
    for settings, first in ((most, 3600), (least, 1)):
        objects = rendered(campaign(tmp_path, kubernetes=settings))
        [job] = [one["spec"] for one in objects if one["kind"] == "Job"]
        [scaler] = [one["spec"] for one in objects if one["kind"] == "HorizontalPodAutoscaler"]
        assert first <= job["activeDeadlineSeconds"] < 2**31
        assert 0 <= job["ttlSecondsAfterFinished"] < 2**31
        assert 0 <= job["backoffLimit"] < 2**31
        assert scaler["minReplicas"] <= scaler["maxReplicas"] < 2**31


def test_what_is_left_out_of_a_network_is_a_part_of_it(tmp_path: Path) -> None:
    """The API's rule: `except` is a strict subset of `cidr`."""
    networks = ["0.0.0.0/0", "169.0.0.0/8", "169.254.0.0/15", "10.0.0.0/8", "::/0", "fe00::/7"]
    objects = rendered(campaign(tmp_path, kubernetes={"egress_networks": networks}))
    [driver] = [
        one["spec"]
        for one in objects
        if one["kind"] == "NetworkPolicy" and one["metadata"]["name"].endswith("-driver")
    ]
    blocks = [to["ipBlock"] for rule in driver["egress"] for to in rule["to"] if "ipBlock" in to]
    left_out = {block["cidr"]: block.get("except", []) for block in blocks}
    assert {name: left_out[name] for name in networks} == {
        "0.0.0.0/0": ["169.254.0.0/16"],
        "169.0.0.0/8": ["169.254.0.0/16"],
        "169.254.0.0/15": ["169.254.0.0/16"],
        "10.0.0.0/8": [],
        "::/0": ["fd00:ec2::254/128", "fe80::/10"],
        "fe00::/7": ["fe80::/10"],
    }


def test_labels_and_taints_may_have_no_value(tmp_path: Path) -> None:
    names = ("spot_nodes", "spot_taints", "steady_nodes", "service_account_annotations")
    empty = {name: {"example.org/spot": ""} for name in names}
    objects = rendered(campaign(tmp_path, kubernetes=empty))
    assert faults(objects) == []
    [workers] = [
        one["spec"]["template"]["spec"]
        for one in objects
        if one["kind"] == "Deployment" and "scheduler" not in one["metadata"]["name"]
    ]
    assert workers["nodeSelector"] == {"example.org/spot": ""}
    assert workers["tolerations"] == [
        {"key": "example.org/spot", "operator": "Equal", "value": "", "effect": "NoSchedule"}
    ]


def test_the_operators_pods_are_those_of_the_plain_way() -> None:
    planned = plan(demo())
    job = dask_operator.dask_job(planned)
    plain = by_name(rendered(demo()))
    assert job["spec"]["job"]["spec"] == plain[f"Job {planned.name}"]["spec"]["template"]["spec"]
    assert (
        job["spec"]["cluster"]["spec"]["scheduler"]["spec"]
        == plain[f"Deployment {planned.scheduler}"]["spec"]["template"]["spec"]
    )


def test_the_resolved_file_names_no_secret(tmp_path: Path) -> None:
    assert "AWS_SECRET" not in resolved_yaml(campaign(tmp_path, kubernetes={"keys": "my-keys"}))


def test_kubectl_is_the_only_program_that_is_started(tmp_path: Path, monkeypatch: Any) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("rendering connects to nothing")

    monkeypatch.setattr(subprocess, "run", forbidden)
    assert documents(Job(campaign(tmp_path), "", drive))
