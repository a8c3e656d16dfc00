"""The campaign file: what it takes, what it refuses, and what it says then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic import ValidationError

from skymosaic.config import (
    Align,
    Campaign,
    json_schema,
    load_campaign,
    load_campaign_text,
    resolved_yaml,
    shown_yaml,
)
from skymosaic.config.fields import Method
from skymosaic.config.models import TEXT_FIELDS
from skymosaic.errors import CampaignError
from skymosaic.methods import ALL, METHODS

CONFIGS = Path(__file__).parents[2] / "configs"
MINIMAL = "campaign: {name: demo}\nsource: {kind: simulated}\n"


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load the text of a campaign file in tmp_path/files, from tmp_path/current."""
    (tmp_path / "files").mkdir()
    (tmp_path / "current").mkdir()
    monkeypatch.chdir(tmp_path / "current")

    def load(text: str | bytes, overrides=None) -> Campaign:
        path = tmp_path / "files" / "demo.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_campaign(path, overrides)

    return load


@pytest.fixture
def refused(load, tmp_path):
    """Return the lines of the message, without the path of the file."""

    def refused(text: str | bytes, overrides=None) -> list[str]:
        with pytest.raises(CampaignError) as caught:
            load(text, overrides)
        return str(caught.value).replace(f"{tmp_path}/files/demo.yaml", "FILE").splitlines()

    return refused


def test_defaults(load, tmp_path) -> None:
    campaign = load(MINIMAL)
    assert campaign.name == "demo"
    assert (campaign.source.kind, campaign.source.seed, campaign.source.dithers) == (
        "simulated",
        12812,
        2,
    )
    assert campaign.sky.methods == METHODS
    assert campaign.align.method == "tweakreg"
    assert campaign.align.gates.max_rms_mas == 40
    assert campaign.align.on_failure == "stop"
    assert campaign.drizzle.max_output_megapixels == 500
    assert campaign.compute.workers == "auto"
    assert campaign.store.uri == str(tmp_path / "current" / "store")


def test_the_method_type_is_the_projects_list() -> None:
    assert get_args(Method) == ALL


def test_a_campaign_cannot_be_changed(load) -> None:
    campaign = load(MINIMAL)
    with pytest.raises(ValidationError, match="frozen"):
        campaign.source.seed = 1


def test_align_none_as_a_word(load) -> None:
    word = load(MINIMAL + "align: none\n")
    assert word.align.method == "none"
    assert word == load(MINIMAL + "align: {method: none}\n")


def test_a_heading_alone_means_defaults(load) -> None:
    text = MINIMAL + "sky:\nstore:\ncompute:\nalign:\n  method: tweakreg\n  tweakreg:\n  gates:\n"
    assert load(text) == load(MINIMAL)


@pytest.mark.parametrize("name", ["../x", ".x", "-x", "a b", "a/b", "", "x\\ny", "é"])
def test_an_unsafe_name_is_refused(refused, name) -> None:
    [line] = refused(f'campaign: {{name: "{name}"}}\nsource: {{kind: simulated}}\n')
    assert line.startswith("FILE line 1: campaign.name: ")


def test_numbers_stand_for_themselves_where_text_is_meant(load) -> None:
    campaign = load(
        "campaign: {name: 12812}\n"
        "source: {kind: simulated, tiles: [050, 54, 5.10], displace: {050: [1, -2.5]}}\n"
        "align: {order: [54, 050]}\n"
    )
    assert campaign.name == "12812"
    assert campaign.source.tiles == ("050", "54", "5.10")
    assert campaign.source.displace == {"050": (1.0, -2.5)}
    assert campaign.align.order == ("54", "050")


def test_keys_that_hold_text_are_known_by_their_types() -> None:
    text = {".".join(field) for field in TEXT_FIELDS}
    assert {
        *("campaign.name", "source.path", "source.tiles.*", "source.names.*", "align.order.*"),
        *("compute.share", "compute.scratch", "compute.slurm.walltime", "store.kms_key"),
        *("compute.kubernetes.spot_nodes.*", "groups.parameters.*.align.order.*"),
    } <= text
    assert not text & {"compute.workers", "source.start", "source.seed", "source.kind"}
    assert not any("parameters.final_bits" in field for field in text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "source:\n  kind: directory\n  path: x\n  pth: y\n",
            "FILE line 5: source.pth: unknown key, did you mean path?",
        ),
        (
            "source: {kind: simulated}\ncompte: {}\n",
            "FILE line 3: compte: unknown key, did you mean compute?",
        ),
        (
            "source: {kind: simulated}\nalign:\n  gates:\n    max_rms: 3\n",
            "FILE line 5: align.gates.max_rms: unknown key, did you mean max_rms_mas?",
        ),
        (
            "source: {kind: simulated}\ncompute: {zzz: 1}\n",
            "FILE line 3: compute.zzz: unknown key, the known ones are backend, address, workers, "
            "memory_limit, scratch, cache, cache_limit, dashboard, share, slurm, mpi, "
            "insecure, metrics_port, metrics_host, kubernetes",
        ),
        (
            "source: {kind: simulated}\ndrizzle:\n  final_rot: 3\n",
            "FILE line 4: drizzle.final_rot: unknown key: it belongs under drizzle.parameters",
        ),
        (
            "source: {kind: simulated}\nalign: {threshold: 3}\n",
            "FILE line 3: align.threshold: unknown key: it belongs under align.imagefind",
        ),
        (
            "source: {kind: directory, path: x, tiles: [54]}\n",
            "FILE line 2: source.tiles: unknown key: it is one of kind: simulated",
        ),
        (
            "source: {kind: simulated}\nsky: {<<: 1}\n",
            "FILE line 3: sky.<<: unknown key, the known ones are methods, "
            "parameters, static, footprints, mask_sources, planes, per_chip, variants",
        ),
        (
            "source: {kind: simulatd}\n",
            "FILE line 2: source.kind: must be simulated or directory or mast or s3, "
            "not 'simulatd', did you mean simulated?",
        ),
        (
            "source:\n  path: x\n",
            "FILE line 2: source.kind: is missing: it is simulated or directory or mast or s3",
        ),
        (
            "source: {kind: simulated}\nsky: {methods: match}\n",
            "FILE line 3: sky.methods: must be a list such as [a, b], not 'match'",
        ),
        (
            "source: {kind: simulated}\nsky:\n  methods:\n  - match\n  - match\n",
            "FILE line 4: sky.methods: names 'match' twice",
        ),
        (
            "source: {kind: simulated}\nsky:\n  methods:\n  - match\n  - globlmin\n",
            "FILE line 6: sky.methods.1: must be localmin or match or globalmin or "
            "globalmin+match or match-differences or globalmin+match-differences, not "
            "'globlmin', did you mean globalmin?",
        ),
        (
            "source: {kind: simulated}\nalign: tweakreg\n",
            "FILE line 3: align: must be none, or a mapping such as {method: tweakreg}",
        ),
        (
            "source: {kind: simulated, seed: yes}\n",
            "FILE line 2: source.seed: must be a whole number, not 'yes'",
        ),
        (
            "source: {kind: simulated, seed: true}\n",
            "FILE line 2: source.seed: must be a number, not a boolean",
        ),
        (
            "source: {kind: simulated, dithers: 010}\n",
            "FILE line 2: source.dithers: 010 can be read as a decimal or an octal number: "
            "write it without leading zeros",
        ),
        (
            "source: {kind: simulated, tiles: ['54'], displace: {'55': [1, 1]}}\n",
            "FILE line 2: source: displace names '55', which is not among tiles",
        ),
        (
            "source: {kind: simulated}\nstore: {uri: 's3://Bucket/../key'}\n",
            "FILE line 3: store.uri: must be s3://BUCKET/PREFIX, of letters, digits and . _ + - "
            "only, not 's3://Bucket/../key'",
        ),
        (
            "source: {kind: simulated}\nstore: {uri: 'file://other/key'}\n",
            "FILE line 3: store.uri: 'file://other/key' cannot be a path: it names the host "
            "other; write file:PATH or file:///PATH",
        ),
        (
            "source: {kind: simulated}\ncompute: {scratch: ''}\n",
            "FILE line 3: compute.scratch: is empty: name a folder, or leave the key out",
        ),
        (
            "source: {kind: directory, path: ''}\n",
            "FILE line 2: source.path: is empty: name a folder, or leave the key out",
        ),
        (
            "source: {kind: simulated}\ncompute: {memory_limit: 4}\n",
            "FILE line 3: compute.memory_limit: must be auto or a size with its unit such as "
            "4GB, not '4'",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(refused, text, expected) -> None:
    assert refused("campaign: {name: demo}\n" + text) == [expected]


@pytest.mark.parametrize("per_chip", ["1", "maybe", "null", "[true]"])
def test_per_chip_is_a_switch_or_auto(refused, per_chip) -> None:
    [line] = refused(MINIMAL + f"sky: {{per_chip: {per_chip}}}\n")
    assert line.startswith("FILE line 3: sky.per_chip: must be true, false or auto, not ")


@pytest.mark.parametrize("workers", ["0", "-1", "1.5", "true", "many", "null", "[2]"])
def test_workers_are_a_count_or_auto(refused, workers) -> None:
    [line] = refused(MINIMAL + f"compute: {{workers: {workers}}}\n")
    assert line.startswith(
        "FILE line 3: compute.workers: must be auto or a whole number from 1 to 99999, not "
    )


@pytest.mark.parametrize(
    "gate", ["min_matches", "max_rms_mas", "max_shift_arcsec", "max_rotation_deg"]
)
@pytest.mark.parametrize("value", ["0", "-3", ".nan", ".inf", "yes", "abc"])
def test_a_gate_is_a_positive_number(refused, gate, value) -> None:
    [line] = refused(MINIMAL + f"align:\n  gates:\n    {gate}: {value}\n")
    assert line.startswith(f"FILE line 5: align.gates.{gate}: ")


@pytest.mark.parametrize("value", ["true", "FALSE"])
@pytest.mark.parametrize("key", ["filter", "detector", "path"])
def test_a_boolean_where_text_is_meant_is_named(refused, key, value) -> None:
    lines = refused(
        "campaign: {name: demo}\nsource:\n  kind: directory\n"
        + (f"  {key}: {value}\n" if key == "path" else f"  path: x\n  {key}: {value}\n")
    )
    assert len(lines) == 1
    assert f"source.{key}: " in lines[0]
    assert key == "path" or "put the word in quotes" in lines[0]


def test_all_errors_in_the_order_of_the_file(refused) -> None:
    lines = refused(
        "campaign:\n  name: ../up\nsource:\n  kind: simulated\n  size: tiny\n"
        "drizzle:\n  parameters:\n    final_rott: 1\nsky:\n  methods: []\n"
    )
    assert [line.split(":")[0] for line in lines] == [
        "FILE line 2",
        "FILE line 5",
        "FILE line 8",
        "FILE line 10",
    ]


def test_a_missing_section_and_a_missing_key(refused) -> None:
    lines = refused("source:\n  kind: directory\n")
    assert lines[0].startswith("FILE: campaign: is missing")
    assert lines[1].startswith("FILE line 1: source.path: is missing")


def test_an_empty_list_of_methods_is_refused_in_plain_words(refused) -> None:
    assert refused(MINIMAL + "sky: {methods: []}\n") == [
        "FILE line 3: sky.methods: must name 1 or more, not []"
    ]


def test_a_list_with_one_wrong_item_is_not_called_empty(refused) -> None:
    lines = refused(MINIMAL + "compute: {kubernetes: {egress_ports: [0], keys: ''}}\n")
    assert sorted(lines) == [
        "FILE line 3: compute.kubernetes.egress_ports.0: must be greater than or equal to 1, not 0",
        "FILE line 3: compute.kubernetes.keys: must not be empty",
    ]


def test_a_key_given_twice_on_one_line_is_refused_with_it(refused) -> None:
    lines = refused(MINIMAL + "sky: {parameters: {skystat: mode, skystat: mean}}\n")
    assert lines == ["FILE line 3: sky.parameters.skystat: is given twice, on line 3"]


def test_keys_given_twice_are_refused_with_both_lines(refused) -> None:
    lines = refused(
        MINIMAL + "sky:\n  parameters:\n    skystat: mode\n    skystat: mean\nsky: {}\n"
    )
    assert lines == [
        "FILE line 6: sky.parameters.skystat: is given twice, on lines 5 and 6",
        "FILE line 7: sky: is given twice, on lines 3 and 7",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "FILE: is empty"),
        ("# only a comment\n", "FILE: is empty"),
        ("- a\n- b\n", "FILE: is not a mapping"),
        ("just text", "FILE: is not a mapping"),
        (b"campaign: {name: caf\xe9}\n", "FILE: is not UTF-8"),
        ("campaign:\n\tname: x\n", "FILE line 2: is not valid YAML"),
        ("campaign: {name: x\n", "is not valid YAML"),
        ("a: 1\n---\nb: 2\n", "is not valid YAML"),
        ("a: &x {b: 1}\nc: *x\n", "FILE line 2: is not valid YAML: aliases"),
        ("? [a, b]\n: 1\n", "FILE line 1: is not valid YAML: a key must be plain text"),
        ("a: !!python/object:os.system x\n", "FILE line 1: is not valid YAML"),
        ("a: !!int '7'\n", "FILE line 1: is not valid YAML: tags"),
        ("a: ! 7\n", "FILE line 1: is not valid YAML: tags"),
        ('a: "\\UFFFFFFFF"\n', "is not valid YAML"),
        ("a: \x07\n", "FILE: character 3 is not allowed"),
        ("a: " + "[" * 5000, "FILE line 1: is not valid YAML: it is nested deeper than 30 levels"),
        ("a: " + "[" * 90 + "]" * 90, "is not valid YAML: it is nested deeper than 30 levels"),
        ("- " * 40 + "a", "is not valid YAML: it is nested deeper than 30 levels"),
        ("#" * 5_000_000, "FILE: is no campaign file: it is longer than"),
    ],
)
def test_a_file_that_is_no_campaign(refused, text, said) -> None:
    assert said in refused(text)[0]


def test_a_byte_order_mark_does_no_harm(load) -> None:
    assert load(b"\xef\xbb\xbf" + MINIMAL.encode()).name == "demo"


@pytest.mark.parametrize("name", ["absent.yaml", "."])
def test_a_file_that_cannot_be_read(tmp_path, name) -> None:
    with pytest.raises(CampaignError, match="cannot read the campaign file"):
        load_campaign(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("compute:\n  aws_secret_access_key: hunter2\n", "line 4: compute.aws_secret_access_key"),
        ("store:\n  token: hunter2\n", "line 4: store.token"),
        ("Password: hunter2\n", "line 3: Password"),
        ("store:\n  uri: s3://me:hunter2@host/x\n", "line 4: store.uri"),
        ("compute: [{password: hunter2}]\n", "line 3: compute.0.password"),
        ("drizzle:\n  parameters:\n    rules_file: http://me:hunter2@h\n", "line 5: drizzle"),
        ("store:\n  uri: from .1+S3-x://:hunter2:@host\n", "line 4: store.uri"),
        ("store:\n  uri: a://b/c://me:x:hunter2@host@other\n", "line 4: store.uri"),
        ("store:\n  uri: s3://me:hunter2@ and AKIAABCDEFGHIJKLMNOP\n", "line 4: store.uri"),
    ],
)
def test_a_secret_is_refused_and_never_repeated(refused, text, place) -> None:
    lines = refused(MINIMAL + text)
    assert any(place in line and "looks like a secret" in line for line in lines)
    assert "hunter2" not in "\n".join(lines)


@pytest.mark.parametrize(
    "uri", ["s3://me:@host", "1+2://me:word@host", "s3://me@host", "me:word@host", "s3://a/b:c@d"]
)
def test_an_address_without_a_password_is_no_secret(refused, uri) -> None:
    lines = refused(MINIMAL + f"store:\n  uri: '{uri}'\nnothing: 1\n")
    assert not any("secret" in line for line in lines)


def test_no_parameter_of_drizzlepac_looks_like_a_secret(load) -> None:
    text = MINIMAL + "drizzle: {parameters: {gnkeyword: ATODGAIN, expkeyword: EXPTIME}}\n"
    assert load(text).drizzle.parameters == {"gnkeyword": "ATODGAIN", "expkeyword": "EXPTIME"}


def test_drizzlepac_parameters_come_in_its_own_types(load) -> None:
    campaign = load(
        MINIMAL + "sky: {parameters: {static: no, skyclip: 3}}\n"
        "drizzle: {parameters: {final_bits: 64, final_rot: 257, final_pixfrac: 8e-1}}\n"
        "align: {tweakreg: {searchrad: 2}, imagefind: {threshold: 100}}\n"
    )
    assert campaign.sky.parameters == {"static": False, "skyclip": 3}
    assert campaign.drizzle.parameters == {
        "final_bits": "64",
        "final_rot": 257.0,
        "final_pixfrac": 0.8,
    }
    assert campaign.align.tweakreg == {"searchrad": 2.0}
    assert campaign.align.imagefind == {"threshold": 100.0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sky: {parameters: {final_bits: 64}}", "belongs under drizzle.parameters"),
        ("sky: {parameters: {crbit: 64}}", "belongs under drizzle.parameters"),
        ("drizzle: {parameters: {skystat: mode}}", "belongs under sky.parameters"),
        ("drizzle: {parameters: {static: yes}}", "STEP 1: STATIC MASK"),
        ("drizzle: {parameters: {final_rott: 1}}", "did you mean final_rot?"),
        ("drizzle: {parameters: {final_outnx: 1}}", "final_outnx needs final_outny beside it"),
        ("sky: {parameters: {skymethod: match}}", "one run is made for each of sky.methods"),
        ("align: {tweakreg: {updatehdr: yes}}", "updatehdr cannot be set"),
        ("align: {imagefind: {threshold: high}}", "must be a finite number or null, not 'high'"),
        ("align: {tweakreg: [minobj]}", "must be a mapping of keys and values"),
    ],
)
def test_a_wrong_drizzlepac_parameter_is_refused_once_with_its_line(refused, text, said) -> None:
    [line] = refused(MINIMAL + text)
    assert line.startswith("FILE line 3: ")
    assert said in line


def test_an_alignment_is_shared_where_there_is_one(load, refused) -> None:
    text = f"{MINIMAL}align: none\ngroups: {{align: shared"
    [line] = refused(f"{text}}}")
    assert "align: none aligns nothing: leave one of them out" in line
    own = load(f"{text}, parameters: {{F110W: {{align: {{min_sources: 9}}}}}}}}")
    assert own.groups.parameters["F110W"].align.min_sources == 9


def test_paths_in_the_file_are_relative_to_it(load, tmp_path) -> None:
    campaign = load(
        "campaign: {name: demo}\nsource: {kind: directory, path: ../data}\n"
        "store: {uri: 'file:out'}\ncompute: {scratch: tmp}\n"
        "align: {tweakreg: {refcat: gaia.cat}}\n"
    )
    assert campaign.source.path == tmp_path / "data"
    assert campaign.store.uri == str(tmp_path / "files" / "out")
    assert campaign.compute.scratch == tmp_path / "files" / "tmp"
    assert campaign.align.tweakreg["refcat"] == str(tmp_path / "files" / "gaia.cat")


def test_absolute_store_uris(load) -> None:
    for uri in ("/big/disk", "file:/big/disk", "file:///big/disk", "FILE://localhost/big/disk"):
        assert load(MINIMAL + f"store: {{uri: '{uri}'}}\n").store.uri == "/big/disk"


def test_the_command_line_goes_before_the_file(load, tmp_path) -> None:
    text = "campaign: {name: demo}\nsource: {kind: directory, path: x}\n"
    text += "store: {uri: a}\ncompute: {workers: 8, memory_limit: 2GiB}\nalign: none\n"
    campaign = load(
        text,
        {
            "store.uri": "b",
            "compute.workers": "2",
            "compute.scratch": None,
            "source.path": Path("y"),
            "align.on_failure": "keep",
            "drizzle.parameters.final_rot": 30,
            "sky.methods": ["match"],
        },
    )
    assert campaign.store.uri == str(tmp_path / "current" / "b")
    assert campaign.source.path == tmp_path / "current" / "y"
    assert (campaign.compute.workers, campaign.compute.memory_limit) == (2, "2GiB")
    assert campaign.compute.scratch is None
    assert (campaign.align.method, campaign.align.on_failure) == ("none", "keep")
    assert campaign.drizzle.parameters == {"final_rot": 30.0}
    assert campaign.sky.methods == ("match",)


def test_what_is_wrong_on_the_command_line_is_said_so(refused) -> None:
    overrides = {"compute.workers": 0, "nosuch.key": 1, "campaign.name.x": 1, "store.tokn": "x"}
    assert sorted(refused(MINIMAL, overrides)) == [
        "command line: campaign.name.x: campaign.name is not a mapping",
        "command line: compute.workers: must be auto or a whole number from 1 to 99999, not 0",
        "command line: nosuch: unknown key, the known ones are campaign, source, align, sky, "
        "drizzle, store, compute, groups, colour",
        "command line: store.tokn: unknown key, the known ones are uri, profile, region, "
        "endpoint_url, unsigned, encryption, kms_key, patience",
    ]


@pytest.mark.parametrize(
    "text",
    [
        MINIMAL,
        MINIMAL + "align: none\n",
        "campaign: {name: '050', description: 'a: b # c é'}\n"
        "source: {kind: simulated, tiles: [050, 1e5, 'no'], displace: {'050': [1.0e-7, 2]}}\n"
        "align: {order: ['null', '1_0'], tweakreg: {sigma: null, minobj: 3}}\n"
        "sky: {methods: [match], parameters: {static: no, sky_bits: null}}\n"
        "drizzle: {parameters: {final_bits: 64, final_wt_scl: '1.5', final_rot: 1.0e-9}}\n"
        "store: {uri: 'sto re'}\n"
        "compute: {workers: 3, memory_limit: null, scratch: a%20b}\n",
        "campaign: {name: demo}\n"
        "source: {kind: directory, path: x, filter: F160W, allow_mixed: yes}\n",
    ],
)
def test_the_resolved_file_gives_the_same_campaign_anywhere(load, tmp_path, text) -> None:
    campaign = load(text)
    elsewhere = tmp_path / "else" / "where"
    elsewhere.mkdir(parents=True)
    (elsewhere / "resolved.yaml").write_text(resolved_yaml(campaign), encoding="utf-8")
    again = load_campaign(elsewhere / "resolved.yaml")
    assert again == campaign
    assert resolved_yaml(again) == resolved_yaml(campaign)


def test_the_resolved_file_holds_every_value(load) -> None:
    resolved = yaml.safe_load(resolved_yaml(load(MINIMAL)))
    assert list(resolved) == list(Campaign.model_fields)
    assert resolved["align"]["gates"]["max_scale_change"] == 0.01


def test_all_keys_are_shown_those_too_that_keys_of_steps_leave_out(load) -> None:
    campaign = load(f"{MINIMAL}align: {{exposures: {{}}}}\n")
    shown = yaml.safe_load(shown_yaml(campaign))
    assert list(shown["align"]) == list(Align.model_fields)
    assert (shown["align"]["solve"], shown["align"]["reference"]) == ("in-order", {"kind": "tile"})
    assert shown["align"]["exposures"]["max_offset_mas"] == 20
    for one in (campaign, load(MINIMAL)):
        assert load_campaign_text(shown_yaml(one), "y.yaml", {}) == one


def test_a_catalogue_of_tweakreg_is_refused_where_tweakreg_is_not_used(load, tmp_path) -> None:
    (tmp_path / "a.cat").write_text("1 2\n")
    text = f"{MINIMAL}align: {{solve: together, tweakreg: {{refcat: {tmp_path}/a.cat}}}}\n"
    with pytest.raises(CampaignError, match=r"name the catalogue in align\.reference instead"):
        load(text)
    assert load(text.replace("together", "in-order")).align.tweakreg


def _references(node) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if "$ref" in node else set()
        return own.union(*(_references(value) for value in node.values()))
    return set().union(*map(_references, node)) if isinstance(node, list) else set()


def test_the_schema_is_whole_and_says_what_each_field_is() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(schema)) == schema
    assert schema["required"] == ["campaign", "source"]
    assert schema["title"]
    assert _references(schema) == {f"#/$defs/{name}" for name in schema["$defs"]}
    for model in [schema, *schema["$defs"].values()]:
        assert model["additionalProperties"] is False
        for name, field in model["properties"].items():
            target = schema["$defs"].get(field.get("$ref", "").removeprefix("#/$defs/"), {})
            assert field.get("description") or target.get("description"), name
    assert {"const": "none", "type": "string"} in schema["properties"]["align"]["anyOf"]
    assert schema["$defs"]["Sky"]["properties"]["methods"]["items"]["enum"] == list(ALL)
    simulated = schema["$defs"]["SimulatedSource"]["properties"]
    assert (simulated["seed"]["minimum"], simulated["dithers"]["minimum"]) == (0, 1)
    assert schema["$defs"]["Gates"]["properties"]["max_rms_mas"]["exclusiveMinimum"] == 0
    assert schema["properties"]["source"]["discriminator"]["propertyName"] == "kind"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_campaign_of_the_project_loads(path) -> None:
    campaign = load_campaign(path)
    assert campaign.name == path.stem
    assert campaign.campaign.description


def test_a_simulated_ccd_has_its_own_usual_values(tmp_path) -> None:
    file = tmp_path / "ccd.yaml"
    start = "campaign: {name: ccd}\nsource: {kind: simulated, instrument: wfc3-uvis"
    file.write_text(start + "}\n")
    source = load_campaign(file).source
    assert (source.dithers, source.scene, source.cosmic_rays) == (3, "sparse", True)
    assert "dithers: 3" in resolved_yaml(load_campaign(file))
    file.write_text(start + ", dithers: 2, scene: nebula, sky: 0.2, chip_step: 0.01}\n")
    source = load_campaign(file).source
    assert (source.dithers, source.scene, source.sky, source.chip_step) == (2, "nebula", 0.2, 0.01)


def test_ccd_options_are_refused_for_infrared(refused) -> None:
    [line] = refused("campaign: {name: demo}\nsource: {kind: simulated, chip_step: 0.01}\n")
    assert "chip_step is for CCDs alone" in line
    assert "set instrument to acs-wfc or wfc3-uvis" in line


def test_a_query_must_ask_for_something(refused) -> None:
    [line] = refused("campaign: {name: demo}\nsource: {kind: mast, kinds: [FLT]}\n")
    assert "needs at least one of proposal_id, filters, instrument, target, obs_id" in line


@pytest.mark.parametrize(
    ("written", "mjd"),
    [
        ("2012-03-14", 56000.0),
        ("'2012-03-14T12:00'", 56000.5),
        ("2012-03-14T14:00:00+02:00", 56000.5),
        ("56000.25", 56000.25),
    ],
)
def test_dates_are_written_as_people_do_or_as_mjd(written: str, mjd: float) -> None:
    text = f"campaign: {{name: x}}\nsource: {{kind: mast, proposal_id: [1], start: {written}}}\n"
    campaign = load_campaign_text(text, "x.yaml", {})
    assert campaign.source.start == mjd
    assert load_campaign_text(resolved_yaml(campaign), "y.yaml", {}) == campaign


def test_what_is_no_date(refused) -> None:
    [line] = refused(
        "campaign: {name: demo}\nsource: {kind: mast, proposal_id: [1], start: yesterday}\n"
    )
    assert "must be a date such as 2012-10-31, or an MJD, not 'yesterday'" in line


@pytest.mark.parametrize("uri", ["s3://Bucket/x", "data/x", "https://x/y", "s3://bucket/../x"])
def test_a_source_in_a_bucket_has_an_address(refused, uri: str) -> None:
    [line] = refused(f"campaign: {{name: demo}}\nsource: {{kind: s3, uri: '{uri}'}}\n")
    assert "must be s3://BUCKET/FOLDER" in line


def test_the_campaigns_of_the_project_are_what_they_say() -> None:
    demo, real, pair = (
        load_campaign(CONFIGS / f"{name}.yaml")
        for name in ("horsehead-demo", "horsehead-12812", "real-pair")
    )
    assert (demo.source.kind, demo.source.size) == ("simulated", "full")
    assert demo.align.order == ("54", "51", "53", "55", "57", "50", "52", "56", "58")
    assert tuple(name.removeprefix("ibxl") for name in real.align.order) == demo.align.order
    assert (real.source.kind, real.source.proposal_id) == ("mast", ("12812",))
    assert real.source.projects == ("CALWF3",)
    # As STScI's tutorial of December 2018 has it; docs/tutorial.md tells where each value stands.
    assert demo.align.tweakreg == real.align.tweakreg == {
        "minobj": 5,
        "expand_refcat": True,
        "enforce_user_order": True,
        "searchrad": 3.0,
        "ylimit": 0.5,
    }  # fmt: skip
    found = {"threshold": 10.0, "conv_width": 4.5, "peakmin": 1.0}
    assert demo.align.imagefind == real.align.imagefind == found
    assert demo.drizzle == real.drizzle
    off = dict.fromkeys(("driz_separate", "median", "blot", "driz_cr"), False)
    assert demo.drizzle.parameters == {"final_rot": 257.0, "final_bits": "64", **off}
    assert pair.align.method == "none"
    assert pair.source.allow_mixed and pair.source.filter is None
    assert pair.drizzle.parameters == {"final_rot": 0.0, "final_bits": "64"}
    assert {campaign.sky.methods for campaign in (demo, real, pair)} == {METHODS}


def test_a_sample_needs_a_method_that_both_engines_have(load) -> None:
    sample = "drizzle: {sample: 2}\n"
    with pytest.raises(CampaignError, match=r"drizzle\.sample .* add one of localmin, match"):
        load(f"{MINIMAL}sky: {{methods: [match-differences]}}\n{sample}")
    assert load(f"{MINIMAL}sky: {{methods: [match-differences, match]}}\n{sample}").drizzle.sample


@pytest.mark.parametrize("option", ["planes", "mask_sources"])
def test_what_astrodrizzle_cannot_do_to_a_sky_needs_onepass(refused, option) -> None:
    start = "campaign: {name: demo}\nsource: {kind: simulated}\n"
    (message,) = refused(start + f"sky: {{{option}: true}}\n")
    assert f"sky.{option} need" in message
    assert "drizzle.engine: onepass" in message
