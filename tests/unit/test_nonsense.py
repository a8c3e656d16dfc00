"""`check` refuses values that cannot be right, of every key of the campaign file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import numpy as np
import pytest
import yaml
from astropy.io import fits
from click.testing import CliRunner
from pydantic import BaseModel

from skymosaic.cli.main import main
from skymosaic.config import Campaign, load_campaign, load_campaign_text
from skymosaic.config import drizzlepac_parameters as dp
from skymosaic.config.drizzlepac_ranges import ORDERED, RANGES, TEXTS
from skymosaic.config.models import GroupParameters
from skymosaic.config.reference import CatalogueColumns
from skymosaic.errors import CampaignError, InputError
from skymosaic.pipeline.admission import require_possible
from skymosaic.pipeline.known_groups import require_groups_possible

SOURCES: dict[str, dict[str, Any]] = {
    "simulated": {"kind": "simulated"},
    "filters": {"kind": "simulated"},
    "ccd": {"kind": "simulated", "instrument": "acs-wfc"},
    "directory": {"kind": "directory", "path": "data"},
    "mast": {"kind": "mast", "proposal_id": ["12812"]},
    "s3": {"kind": "s3", "uri": "s3://bucket/x"},
}
SWITCH = (["maybe", 2, None, []], [True, False, "yes", "off"])
COUNT = ([0, -1, 1.5, True, "many", None, 10**9], [1, "7", 100])
POSITIVE = ([0, -1, True, "wide", None, float("inf"), float("nan")], [0.1, 1])
SECONDS = ([*POSITIVE[0], 1e9], [0.5, 86400])
TEXT = ([True, "", [], {}], ["word", 12])
LIST = (["word", [True], ["a", "a"], [""], {"a": 1}], [[], ["a", 54]])
PATH = ([True, [], "http://host/x", "s3://bucket/x", "a\0b"], ["a/b"])
REGION = ([*TEXT[0], "us east", "a/b"], ["us-east-1"])
ENDPOINT = (["host", "ftp://host", "http://", "http://h/x", "http://h:99999", "http://h:x", 3],
            ["https://s3.example.org", "http://127.0.0.1:9000/", "http://[::1]:9000"])  # fmt: skip
SIZE = (["auto", "4", 4, "1kB", "0GB", "255MB", "-1GB", "1e3GB", "99999TB", "4 apples", True],
        ["256MB", "20GB", "1.5 GiB"])  # fmt: skip
MEMORY = (SIZE[0][1:], ["auto", None, *SIZE[1]])
CHOICE = (["nonsense", 3, True], [])
KINDS = (["FLT", [], ["FLT", "FLT"], ["RAW"]], [["FLT"], ["FLC", "DRC"]])
PARAMETERS = (["word", [1], {"nosuch": 1}], [{}, None])
DNS = ([True, "", "My Name", "a_b", "-a", "a" * 64], ["a-b", "s1"])
WORD = ([True, "", "a b", "$(x)", "a;b", "x" * 300], ["debug", "ib0"])
LINES = (["word", ["a\nb"], ["\x07"], [True]], [[], ["module load python"]])
UP_TO_256 = ([*COUNT[0], 257], [1, 256])
CATALOGUE = str(Path(__file__).with_name("stars.csv"))
HEADER = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 85.0, "CRVAL2": -2.4})
# Of each key: its section or kind of source, values that cannot be right, and some that can.
TABLE: dict[str, tuple[str, list[Any], list[Any]]] = {
    "campaign.name": ("directory", [True, "", "../up", "a/b", ".", "a b", "é", "a" * 101, None],
                      ["a", "12812", "a.b-c_d"]),
    "campaign.description": ("directory", TEXT[0], [None, *TEXT[1]]),
    "source.kind": ("directory", [*CHOICE[0], None], []),
    "source.instrument": ("simulated", CHOICE[0], ["wfc3-ir", "acs-wfc"]),
    "source.seed": ("simulated", [-1, 1.5, True, None, 2**63, "x"], [0, 12812]),
    "source.size": ("simulated", CHOICE[0], ["small"]),
    "source.tiles": ("simulated", [*LIST[0], ["99"], ["54", "54"]], [["54"], [51, 54]]),
    "source.filters simulated": (
        "filters",
        ["F110W", ["F999W"], ["F110W", "F110W"], 3, None, [True], [[]],
         {"F110W": 54}, {"F110W": ["99"]}, {"F110W": ["54", "54"]}],
        [[], {}, ["F110W"], {"F110W": [54, 51], "F160W": None}],
    ),
    "source.dithers": ("simulated", [*COUNT[0], 29], [1, 28]),
    "source.displace": ("simulated", [[1], {"54": 1}, {"54": [1]}, {"99": [1, 1]}, {"54": [1e9, 0]},
                                      {"54": [float("nan"), 0]}], [{}, {"54": [1.5, -2]}]),
    "source.scene": ("simulated", CHOICE[0], ["nebula"]),
    "source.chip_step": ("ccd", [1, -1, 2, True, "x"], [0.1, -0.1]),
    "source.sky": ("ccd", [-1, 1e7, True, "x", float("nan")], [None, 0, 0.2]),
    "source.cosmic_rays": ("ccd", *SWITCH),
    "source.motion": ("simulated", [-1, 101, True, "x", float("nan")], [0, 5.5]),
    "source.epochs": ("simulated", [[1], {"54": "x"}, {"54": 1980}, {"99": 2012.0}, {"54": True}],
                      [{}, {"54": 2022.5}]),
    **{
        f"source.detector.{name}": (kind, [-0.1, 1e6, True, "x", float("nan"), None], [0, 0.01])
        for kind, names in {
            "simulated": ("flat", "blob", "amplifiers", "stripes", "gradient", "helium",
                          "persistence", "trail"),
            "ccd": ("chips",),
        }.items()
        for name in names
    },
    "source.detector.flat_order": ("simulated", [*COUNT[0], 41], [1, 12]),
    "source.path": ("directory", [*PATH[0], None], PATH[1]),
    "source.on_bad_file": ("directory", CHOICE[0], ["leave_out"]),
    "source.filter": ("directory", TEXT[0], [None, "F160W"]),
    "source.detector": ("directory", [*TEXT[0], "FOC", "ir"], [None, "IR", "UVIS"]),
    "source.allow_mixed": ("directory", *SWITCH),
    "source.allow_untried": ("directory", *SWITCH),
    "source.allow_non_imaging": ("directory", *SWITCH),
    "source.proposal_id": ("mast", [*LIST[0], ["a"], [-1], [1.5], [1234567]], [[12812], ["128*"]]),
    "source.filters": ("mast", *LIST),
    "source.instrument (mast)": ("mast", [*LIST[0], ["FOC/96"]], [["WFC3/IR"], ["ACS*"], []]),
    "source.target": ("mast", *LIST),
    "source.obs_id": ("mast", *LIST),
    "source.coordinates": ("mast", TEXT[0], [None, "05h40m59s -02d27m30s"]),
    "source.radius": ("mast", [*POSITIVE[0], 181], [0.2, 1]),
    "source.start": ("mast", [True, "yesterday", 0, 2012, -5, "1850-01-01", "2101-01-01", 1e6],
                     [None, "2012-10-31", 56000.5]),
    "source.end": ("mast", [True, "yesterday", 0, 2012, "0001-01-01"], [None, "2012-10-31"]),
    "source.projects": ("mast", *LIST),
    "source.kinds": ("mast", *KINDS),
    "source.min_files": ("mast", [*COUNT[0], 2001], [1, 2000]),
    "source.max_files": ("mast", *COUNT),
    "source.download": ("mast", CHOICE[0], ["bucket"]),
    "source.bucket": ("mast", [*TEXT[0], "s3://x", "a/b", "Bucket", "a"], ["stpubdata"]),
    "source.bucket_endpoint_url": ("mast", ENDPOINT[0], [None, *ENDPOINT[1]]),
    "source.downloads": ("mast", *UP_TO_256),
    "source.uri": ("s3", [True, "", "data", "http://x/y", "s3://", "s3://B/x", "s3://b/../x"],
                   ["s3://bucket/x/y"]),
    "source.names": ("s3", *LIST),
    "source.profile": ("s3", TEXT[0], [None, "mine"]),
    "source.region": ("s3", REGION[0], [None, *REGION[1]]),
    "source.endpoint_url": ("s3", ENDPOINT[0], [None, *ENDPOINT[1]]),
    "source.unsigned": ("s3", *SWITCH),
    "align.method": ("directory", CHOICE[0], ["tweakreg", "none"]),
    "align.wcs": ("directory", [True, "", "é", "a" * 69, " a", None, [1]],
                  ["as-they-are", "best", "*-FIT_REL_GAIA*", "IDC_2731450pi-GSC240"]),
    "align.exposures.max_offset_mas": ("directory", *POSITIVE),
    "align.exposures.correct": ("directory", *SWITCH),
    "align.exposures.max_elongation": ("directory", [0, 1, 11, True, "x", None], [1.01, "1.5", 10]),
    "align.solve": ("directory", CHOICE[0], ["in-order", "together"]),
    "align.geometry": ("directory", CHOICE[0], ["shift", "rshift", "rscale"]),
    "align.order": ("directory", *LIST),
    "align.reference.kind": ("gaia", [*CHOICE[0], None, "tiles"], ["tile", "gaia"]),
    "align.reference.unknown_motion": ("gaia", *POSITIVE),
    "align.reference.unknown_position": ("gaia", *POSITIVE),
    "align.reference.path": ("gaia", [True, [], "http://host/x", "a\0b", "", "no such folder"],
                             [None]),
    "align.reference.path catalog": ("catalog", [True, [], "http://h/x", "", None, "absent.fits"],
                                     []),
    "align.reference.path image": ("image", [True, [], "", None, "absent.fits"], []),
    "align.reference.url": ("gaia", [*ENDPOINT[0][:3], "http://h/tap?y=1", "http://h:x/tap", 3],
                            ["http://127.0.0.1:9000/tap-server/tap"]),
    "align.reference.table": ("gaia", [*TEXT[0], "a b", "a;b", "a.b.c.d", "1a"],
                              ["gaiadr3.gaia_source", "gaia"]),
    "align.reference.min_mag": ("gaia", [True, "x", 100, float("nan")], [None, -1, 10.5]),
    "align.reference.max_mag": ("gaia", [True, "x", 100, float("nan")], [None, 21]),
    "align.reference.max_ruwe": ("gaia", POSITIVE[0][:3], [None, 1.4]),
    "align.reference.need_motion": ("gaia", *SWITCH),
    "align.reference.margin": ("gaia", [-1, True, "x", 601], [0, 30]),
    "align.reference.max_rows": ("gaia", *COUNT),
    "align.reference.wait": ("gaia", *SECONDS),
    "align.reference.refresh": ("gaia", *COUNT),
    **{f"align.reference.columns.{name}": ("catalog columns", [*TEXT[0], "absent"], [None])
       for name in CatalogueColumns.model_fields},
    "align.reference.epoch": ("catalog file", [1700, True, "x", float("nan")], [None, 2015.5]),
    "align.reference.name": ("catalog file", [*TEXT[0], "é", "a\nb", "x" * 41], [None, "LEGACY"]),
    "align.reference.campaign": ("campaign", [True, [], "", None, "store/absent", "x"], []),
    "align.reference.threshold": ("image file", *POSITIVE),
    "align.reference.width": ("image file", [*POSITIVE[0], 51], [0.5, 3]),
    "align.tweakreg": ("directory", *PARAMETERS),
    "align.imagefind": ("directory", *PARAMETERS),
    "align.gates.min_matches": ("directory", *COUNT),
    "align.gates.max_rms_mas": ("directory", *POSITIVE),
    "align.gates.max_chance": ("directory", *POSITIVE),
    "align.gates.max_shift_arcsec": ("directory", *POSITIVE),
    "align.gates.max_rotation_deg": ("directory", *POSITIVE),
    "align.gates.max_scale_change": ("directory", *POSITIVE),
    "align.min_sources": ("directory", *COUNT),
    "align.on_failure": ("directory", CHOICE[0], ["keep"]),
    "sky.methods": ("directory", ["match", [], ["match", "match"], ["none"]], [["match"]]),
    "sky.parameters": ("directory", [*PARAMETERS[0], {"final_rot": 1}], PARAMETERS[1]),
    "sky.static": ("directory", [*CHOICE[0], "no"], ["auto", "once", "repeated", "none"]),
    "sky.footprints": ("onepass", CHOICE[0], ["right"]),
    "sky.mask_sources": ("onepass", *SWITCH),
    "sky.planes": ("onepass", *SWITCH),
    "sky.per_chip": ("directory", ["maybe", 1, None], ["auto", True, "no"]),
    "sky.variants": ("onepass", [
        [], {"a/b": {"method": "match"}}, {"a": {}}, {"a": {"method": "none"}},
        {"a": {"values": {"x": float("nan")}}}, {"a": {"values": {"x": 1}, "method": "match"}},
        {"a": {"method": "match"}, "A": {"method": "localmin"}},
        {"a": {"method": "match", "parameters": {"skyclip": -1}}},
        {"a": {"values": {"x": 1}, "parameters": {"skyclip": 1}}},
    ], [{}, {"a": {"method": "match", "parameters": {"skyclip": 3}}}, {"a": {"values": {"x": 1}}}]),
    "drizzle.engine": ("directory", CHOICE[0], ["onepass"]),
    "drizzle.parameters": ("directory", [*PARAMETERS[0], {"skyclip": 1}], PARAMETERS[1]),
    "drizzle.grid.like": ("directory", [*TEXT[0], "nowhere.fits", "store/nobody"], []),
    "drizzle.grid.ra": ("around", [-1, 360, True, "05:40", None, float("nan")], [0, 359.9, "85.2"]),
    "drizzle.grid.dec": ("around", [-91, 90.1, True, "north", None], [-90, 0, "2.5"]),
    "drizzle.grid.columns": ("around", COUNT[0], [1, "7", 100]),
    "drizzle.grid.rows": ("around", COUNT[0], COUNT[1]),
    "drizzle.grid.scale": ("around", [0, -0.1, 11, True, "fine"], [0.04, "0.1", None]),
    "drizzle.grid.scale of a cell": ("cell", [*CHOICE[0], 0.04], ["fine", "coarse", None]),
    "drizzle.grid.rotation": ("around", [361, -1e9, True, "north"], [0, -360, 22.5, None]),
    "drizzle.grid.crval": ("matrix", [5, [1], [1, 91], [360, 0], ["x", 0], None], [[0, -90]]),
    "drizzle.grid.crpix": ("matrix", [5, [1], [True, 1], [1, 2, 3], None], [[-1e5, 0.5]]),
    "drizzle.grid.cd": ("matrix", [5, [1, 2], [[1e-5, 0], [0, 1e-5]], [[0, 0], [0, 0]],
                                   [[-1e-5, 0], [0, 2e-5]], None], [[[0, 1e-5], [1e-5, 0]]]),
    "drizzle.grid.shape": ("matrix", [5, [1], [0, 1], [1.5, 1], [10**6, 10**6]], [[1, 100]]),
    "drizzle.grid.skycell": ("directory", [*TEXT[0], "skycell-p0000x00y01", "p1253x06y09"],
                             ["skycell-p1253x06y09"]),
    "drizzle.grid.crop": ("cell", [*SWITCH[0], None], SWITCH[1]),
    "drizzle.grid.cells.layout": ("skycells", [*CHOICE[0], "square", None], ["skycells"]),
    "drizzle.grid.cells.size": ("squares", [*COUNT[0][:-1], [1], [1, 0], [1, 2, 3], None],
                                [1, "7", [100, 200]]),
    "drizzle.grid.cells.size of sky cells": ("skycells", [100, [1, 2]], [None]),
    "drizzle.grid.cells.scale": ("skycells", [*CHOICE[0], 0.04], ["fine", "coarse", None]),
    "drizzle.grid.cells.scale of squares": ("squares", ["fine"], [None]),
    "drizzle.grid.cells.crop": ("skycells", [*SWITCH[0], None], SWITCH[1]),
    "drizzle.grid.cells.crop of squares": ("squares", [False], [True]),
    "drizzle.grid.cells.names": ("skycells", [*CHOICE[0], None], ["hap", "campaign"]),
    "drizzle.grid.cells.names of squares": ("squares", ["hap"], ["campaign"]),
    "drizzle.max_output_megapixels": ("directory", [*POSITIVE[0], 1e300, 1e8], [0.5, 500]),
    "drizzle.witness": ("directory", ["maybe", 2, []], [None, True, "off"]),
    "drizzle.sample": ("directory", [0, 1, -3, 1.5, True, "x", 10**6], [None, 2, 4]),
    "drizzle.products": ("onepass", ["err", ["ERR"], ["sci"], [1], [""], ["err", "err"], None],
                         [[], ["err"]]),
    "drizzle.products (astrodrizzle)": ("directory", [["err"]], [[]]),
    "store.uri": ("directory", [True, "s3://", "http://x/y", "gs://b/x", "file://host/x", "s3:b"],
                  ["a/b", "file:/a", "s3://bucket/x"]),
    "store.profile": ("directory", TEXT[0], [None, "mine"]),
    "store.region": ("directory", REGION[0], [None, *REGION[1]]),
    "store.endpoint_url": ("directory", ENDPOINT[0], [None, *ENDPOINT[1]]),
    "store.unsigned": ("directory", *SWITCH),
    "store.encryption": ("directory", [*CHOICE[0], ""], [None, "AES256", "aws:kms"]),
    "store.kms_key": ("directory", [*TEXT[0], "without aws:kms"], [None]),
    "store.patience": ("directory", *SECONDS),
    "compute.backend": ("directory", [*CHOICE[0], "scheduler"], ["local", "slurm", "mpi"]),
    "compute.address": ("directory", ["tls://a:8786"], [None]),
    "compute.address (scheduler)": ("scheduler", [
        True, "", "host", "tls://host", "tls://host:0", "tls://host:99999", "tls://:1:x",
        "http://host:8786", "tls://a b:1", "tls://host:8786/x", None,
    ], ["tls://scheduler:8786", "127.0.0.1:8786", "tcp://[::1]:8786"]),
    "compute.workers": ("directory", [0, -1, 1.5, True, "many", None, 100000], ["auto", 1, "8"]),
    "compute.memory_limit": ("directory", *MEMORY),
    "compute.scratch": ("directory", PATH[0], [None, *PATH[1]]),
    "compute.cache": ("directory", PATH[0], [None, *PATH[1]]),
    "compute.cache_limit": ("directory", *SIZE),
    "compute.dashboard": ("directory", *SWITCH),
    "compute.share": ("directory", ["0/3", "4/3", "3", "a/b", "1/0", True, "1/3"], [None]),
    "compute.share (program)": ("program", ["0/3", "4/3", 1.5], ["1/3", "3/3"]),
    "compute.insecure": ("directory", *SWITCH),
    "compute.metrics_port": ("directory", [-1, 65536, True, "x", 1.5], [None, 0, 9100]),
    "compute.metrics_host": ("directory", [*TEXT[0], "a b", "http://x"], ["127.0.0.1", "::1"]),
    "compute.mpi.interface": ("directory", WORD[0], [None, *WORD[1]]),
    **{f"compute.slurm.{name}": ("directory", WORD[0], [None, *WORD[1]])
       for name in ("partition", "account", "qos", "interface")},
    "compute.slurm.walltime": ("directory", ["4h", "00:00:00", "00:05:00", 4, "-1:00:00"],
                               ["04:00:00", "1-00:00:00"]),
    "compute.slurm.memory": ("directory", SIZE[0][1:], ["auto", *SIZE[1]]),
    **{f"compute.slurm.{name}": ("directory", *COUNT) for name in ("cores", "jobs", "nodes")},
    "compute.slurm.array": ("directory", COUNT[0][:-2], [None, 5]),
    "compute.slurm.array_at_once": ("directory", [0, 3, "x", True], [None]),
    "compute.slurm.directives": ("directory", ["--x", ["x"], ["--mem=3"], ["--a b"], ["--wrap=x"]],
                                 [[], ["--constraint=haswell"]]),
    "compute.slurm.prologue": ("directory", *LINES),
    "compute.slurm.command": ("directory", *LINES),
    "compute.slurm.python": ("directory", ["", "a\nb", True], [None, "/usr/bin/python3"]),
    "compute.slurm.scratch": ("directory", ["tmp", "/a/../b", "/a b", "$(x)", ""],
                              [None, "/scratch", "$SLURM_TMPDIR/x"]),
    "compute.slurm.logs": ("directory", ["/a b", "s3://b/x", "/a;b"], [None, "/shared/logs"]),
    "compute.slurm.grace": ("directory", [*SECONDS[0], 7201], [60, 7200]),
    "compute.slurm.requeue": ("directory", *SWITCH),
    "compute.slurm.patience": ("directory", *SECONDS),
    "compute.slurm.encrypted": ("directory", *SWITCH),
    "compute.kubernetes.namespace": ("directory", [*DNS[0], "a.b"], DNS[1]),
    **{f"compute.kubernetes.{name}": ("directory", [*DNS[0][:-1], "a..b"], [None, *DNS[1], "a.b"])
       for name in ("cluster", "registry_keys", "keys", "volume_claim", "priority_class",
                    "steady_priority_class")},
    "compute.kubernetes.service_account": ("directory", [*DNS[0][:-1], None], DNS[1]),
    "compute.kubernetes.image": ("directory", ["a b", "Image", "", True, "a@sha256:12"],
                                 [None, "registry.example.org/skymosaic:1"]),
    "compute.kubernetes.service_account_annotations": ("directory", [[1], {"a b": "c"}],
                                                       [{}, {"eks.amazonaws.com/role-arn": "x"}]),
    "compute.kubernetes.volume_path": ("directory", ["data", "/a/../b", "/scratch/x", "/a b"],
                                       ["/data"]),
    "compute.kubernetes.cpu": ("directory", [0, "0m", "1m", "many", -1, "2000"], [1, "500m", 0.5]),
    "compute.kubernetes.memory": ("directory", [4, "4", "500m", "1Ki", "4GB", "1e9", "9999T", True],
                                  ["auto", "4Gi"]),
    "compute.kubernetes.scratch_size": ("directory", [20, "1Mi", "20GB", "0Gi"], ["auto", "20Gi"]),
    "compute.kubernetes.max_workers": ("directory", COUNT[0][:-2], [None, 10]),
    "compute.kubernetes.deadline_hours": ("directory", [*POSITIVE[0], 1e6], [1, 24]),
    "compute.kubernetes.keep_minutes": ("directory", [*POSITIVE[0], 1e9], [1, 30]),
    "compute.kubernetes.retries": ("directory", [-1, 1.5, True, "x", None, 10**9], [0, 3]),
    "compute.kubernetes.patience": ("directory", *SECONDS),
    "compute.kubernetes.grace": ("directory", *SECONDS),
    **{f"compute.kubernetes.{name}": ("directory", [[1], {"a b": "c"}, {"a": "c d"}],
                                      [{}, {"a": "b", "c": 1, "d": ""}])
       for name in ("spot_nodes", "spot_taints", "steady_nodes")},
    "compute.kubernetes.egress_ports": ("directory", [443, [], [0], [70000], ["x"]], [[443]]),
    "compute.kubernetes.egress_networks": ("directory", [[], ["x"], ["10.0.0.0/99"],
                                           ["10.0.0.5"], ["10.0.0.5/8"], ["169.254.0.0/16"]],
                                           [["10.0.0.0/8", "::/0"]]),
    "groups.parameters": ("program", [[1], {"T/F": 3}, {"T/F": {"nosuch": 1}},
                                      {"T/F": {"drizzle": {"parameters": {"final_scale": 0}}}},
                                      {"T/F": {"align": {"tweakreg": {"refcat": "absent.cat"}}}}],
                          [{}, {"T/F": {"sky": {"methods": ["match"]}}}]),
    "groups.by": ("program", ["target", [], ["target", "target"], ["camera"], [1], {}],
                  [None, ["filter"], ["target", "filter", "detector", "visit", "epoch"]]),
    "groups.members": ("program", [
        ["a"], {"a": []}, {"a": "ibxl5*"}, {"a": ["x", "x"]}, {"a": [""]}, {"": ["x"]},
        {"../up": ["x"]}, {"/etc": ["x"]}, {"a/b": ["x"]}, {".": ["x"]}, {"a b": ["x"]},
        {"a\n": ["x"]}, {"a\x07": ["x"]}, {"a" * 101: ["x"]}, {"deep": ["x"], "Deep": ["y"]},
        {"runs": ["x"]}, {"manifests": ["x"]}, {"groups.json": ["x"]}, {"a": [True]}, 3, None,
    ], [{}, {"deep": ["ibxl54*"], "first": [54]}]),
    "groups.epoch_gap": ("epochs", [*POSITIVE[0], 1e9], [0.01, "30"]),
    "groups.epoch_gap without epochs": ("program", [5], [10]),
    "groups.grid": ("program", [*CHOICE[0], "auto", None], ["own", "shared"]),
    "groups.align": ("program", [*CHOICE[0], "none", None], ["own", "shared"]),
    "groups.reference": ("sharing", TEXT[0], [None, "F160W", "T/F"]),
    "groups.reference of nothing shared": ("program", ["F160W"], [None]),
    **{f"colour.{name}": ("coloured", [*TEXT[0], None], ["F160W"]) for name in ("red", "blue")},
    "colour.green": ("coloured", TEXT[0], [None, "F125W"]),
    "colour.method": ("coloured", [*TEXT[0], "match", "nosuch"], [None, "localmin"]),
    "colour.stretch": ("coloured", [*CHOICE[0], None], ["lupton", "linear", "log", "asinh"]),
    "colour.percentiles": ("coloured", [5, [1], [1, 2, 3], [99, 1], [5, 5], [-1, 99], [1, 101],
                                        [True, 99], ["low", 99], None], [[0, 100], ["25", 99.5]]),
    "colour.linear_to": ("coloured", [0, -1, True, "x", 1001, float("nan")], [None, 0.01, 1]),
    "colour.q": ("coloured", [*POSITIVE[0], 1e11], [0.1, 8]),
    "colour.tiles": ("coloured", *SWITCH),
}  # fmt: skip


def keys_of(model: type[BaseModel], key: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        models = list(models_in(field.annotation))
        if models and models != [GroupParameters]:
            for inner in models:
                yield from keys_of(inner, f"{key}{name}.")
        else:
            yield f"{key}{name}"


def models_in(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if kind.__name__ != "Variant":
            yield kind
    elif get_origin(kind) is not None:
        for inner in get_args(kind):
            yield from models_in(inner)


def test_every_key_is_in_the_table() -> None:
    """Of a new key: ask which values cannot be right, and refuse them."""
    assert {key.split(" ")[0] for key in TABLE} == set(keys_of(Campaign))


def file_with(kind: str, key: str, value: Any) -> str:
    programs = ("program", "epochs", "sharing", "coloured")
    source = SOURCES.get(kind, SOURCES["mast" if kind in programs else "directory"])
    data: dict[str, Any] = {"campaign": {"name": "demo"}, "source": source}
    more = {
        "program": {"groups": {}},
        "filters": {"groups": {}},
        "epochs": {"groups": {"by": ["target", "epoch"]}},
        "sharing": {"groups": {"grid": "shared"}},
        "coloured": {
            "groups": {"grid": "shared"},
            "sky": {"methods": ["localmin"]},
            "colour": {"red": "R", "blue": "B"},
        },
        "onepass": {"drizzle": {"engine": "onepass"}},
        "around": {"drizzle": {"grid": {"ra": 1, "dec": 2, "columns": 3, "rows": 4}}},
        "matrix": {
            "drizzle": {
                "grid": {
                    "crval": [1, 2],
                    "crpix": [3, 4],
                    "cd": [[-1e-5, 0], [0, 1e-5]],
                    "shape": [5, 6],
                }
            }
        },
        "cell": {"drizzle": {"grid": {"skycell": "skycell-p1253x06y09"}}},
        "skycells": {
            "drizzle": {"engine": "onepass", "grid": {"cells": {"layout": "skycells"}}},
        },
        "squares": {
            "drizzle": {"engine": "onepass", "grid": {"cells": {"layout": "square", "size": 9}}},
        },
        "scheduler": {"compute": {"backend": "scheduler", "address": "tls://a:1"}},
        "gaia": {"align": {"reference": {"kind": "gaia"}}},
        "catalog": {"align": {"reference": {"kind": "catalog"}}},
        "catalog file": {"align": {"reference": {"kind": "catalog", "path": CATALOGUE}}},
        "catalog columns": {
            "align": {"reference": {"kind": "catalog", "path": CATALOGUE, "columns": {}}}
        },
        "campaign": {"align": {"reference": {"kind": "campaign"}}},
        "image": {"align": {"reference": {"kind": "image"}}},
        "image file": {"align": {"reference": {"kind": "image", "path": "image.fits"}}},
    }
    data = json.loads(json.dumps({**data, **more.get(kind, {})}))
    *sections, name = key.split(" ")[0].split(".")
    holder = data
    for section in sections:
        holder = holder.setdefault(section, {})
    holder[name] = value
    return yaml.safe_dump(data)


def checked(text: str) -> None:
    """Check a campaign file as `check` does."""
    campaign = load_campaign_text(text, "field.yaml", {})
    require_possible(campaign)
    require_groups_possible(campaign)


@pytest.mark.parametrize("key", TABLE)
def test_nonsense_is_refused_and_sense_is_not(key, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    kind, wrong, right = TABLE[key]
    if kind == "image file":
        fits.PrimaryHDU(np.zeros((3, 3)), HEADER).writeto("image.fits")
    name = key.split(" ")[0].split(".")[-1]
    for value in wrong:
        with pytest.raises((CampaignError, InputError)) as error:
            checked(file_with(kind, key, value))
            pytest.fail(f"{key}: {value!r} was taken")
        assert name in str(error.value) or key.split(".")[0] in str(error.value)
    for value in right:
        checked(file_with(kind, key, value))


NOT_SO = {  # parameters of drizzlepac of which any number, or text, can be right
    *("proc_unit", "coeffs", "context", "rules_file", "driz_sep_fillval", "final_fillval"),
    *("driz_sep_refimage", "driz_sep_crpix1", "driz_sep_crpix2", "blot_skyval", "final_maskval"),
    *("final_refimage", "final_crpix1", "final_crpix2"),
    *("gnkeyword", "rnkeyword", "expkeyword", "xcol", "ycol", "fluxcol", "maxflux", "minflux"),
    *("refcat", "refxcol", "refycol", "rfluxcol", "rmaxflux", "rminflux", "xoffset", "yoffset"),
}


def test_every_number_of_drizzlepac_has_a_range_or_is_known_to_have_none() -> None:
    ordered = {name for pair in ORDERED for name in pair}
    known = {*RANGES, *TEXTS, *ordered, *NOT_SO, "crbit"}
    tasks: tuple[dp.Task, ...] = ("astrodrizzle", "tweakreg", "imagefind")
    all_names: set[str] = set()
    for task in tasks:
        for name, parameter in dp.known_parameters(task).items():
            all_names.add(name)
            if name in dp.RESERVED[task] or parameter.type in ("boolean", "option"):
                continue
            assert name in known, f"{task}: {name}: which values cannot be right?"
            # drizzlepac's own default is no nonsense.
            dp.checked_value(task, name, parameter.default)
    assert known <= all_names


@pytest.mark.parametrize(
    ("key", "wrong", "right"),
    [
        ("drizzle.parameters.final_scale", [0, -0.1, 65, 1e-400], [0.03, "0.065", None]),
        ("drizzle.parameters.final_pixfrac", [-1, 1.5, 100], [0, 0.6, 1]),
        ("drizzle.parameters.final_rot", [1e9, -361, "north"], [0, 257, -360, None]),
        ("drizzle.parameters.final_bits", ["abc", "64,3", "-4", "64;32", "6.4", "1e3"],
         [64, 96, "64,32", "64, 32", "~64", "None", "", None, 0, 65535]),
        ("drizzle.parameters.crbit", [0, -4096, 3, 65536], [4096, 1]),
        ("drizzle.parameters.driz_cr_snr", ["3.5", "a b", "0 3", "3 inf", "3 2 1"], ["3.5 3.0"]),
        ("drizzle.parameters.final_wt_scl", ["exptme", "-1", "nan"], ["exptime", "expsq", 2]),
        ("drizzle.parameters.combine_maskpt", [-0.1, 30], [0, 0.3]),
        ("drizzle.parameters.driz_sep_dec", [91, -100], [-2.5]),
        ("drizzle.parameters.stepsize", [0, -10], [1, 10]),
        ("drizzle.parameters.gain", ["-1", "x"], ["1.5", ""]),
        ("sky.parameters.skyclip", [-1, 1.5, 1e155, 2**31], [0, 5.0]),
        ("sky.parameters.skywidth", [0, -0.1], [0.1, None]),
        ("sky.parameters.static_sig", [0, -4], [4]),
        ("align.tweakreg.searchrad", [0, -1], [1]),
        ("align.tweakreg.minobj", [0, -1, 1.5], [3]),
        ("align.tweakreg.nclip", [-1], [0, 3]),
        ("align.imagefind.threshold", [0, -4], [4]),
        ("align.imagefind.conv_width", [0, -1], [3.5]),
        ("align.imagefind.ratio", [0, 1.5], [1]),
    ],
)  # fmt: skip
def test_nonsense_of_drizzlepac_is_refused(key, wrong, right) -> None:
    for value in wrong:
        with pytest.raises(CampaignError, match=key):
            checked(file_with("directory", key, value))
            pytest.fail(f"{key}: {value!r} was taken")
    for value in right:
        checked(file_with("directory", key, value))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("source: {min_files: 30, max_files: 20}", "min_files (30) is more than max_files (20)"),
        ("source: {start: 2012-10-31, end: 2012-10-30}", "start (MJD 56231) is not before end"),
        ("source: {start: 2012}", "from 1990-04-24 (MJD 48005)"),
        (
            "sky: {parameters: {skylower: 5, skyupper: 1}}",
            "skylower (5) must be below skyupper (1)",
        ),
        (
            "sky: {parameters: {skyupper: 1}, variants: {v: {method: match, parameters: "
            "{skylower: 2}}}}\ndrizzle: {engine: onepass}",
            "skylower (2) must be below skyupper (1)",
        ),
        ("align: {imagefind: {peakmin: 9, peakmax: 9}}", "peakmin (9) must be below peakmax (9)"),
        ("compute: {slurm: {array: 3, array_at_once: 4}}", "array_at_once (4) is more than"),
        ("compute: {share: 1/3}", "compute.share 1/3 is a share of a program's groups"),
        ("align: {tweakreg: {refcat: no.cat}}", "align.tweakreg.refcat: there is no file /"),
        ("drizzle: {parameters: {rules_file: no.txt}}", "rules_file: there is no file /"),
        ("drizzle: {engine: onepass, parameters: {final_wht_type: IVM}}", "onepass does not do"),
        (
            "source: {instrument: [FOC/96]}",
            "source.instrument is FOC/96: AstroDrizzle does not know it",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_by_check(tmp_path, text, said) -> None:
    data = {"campaign": {"name": "demo"}, "source": dict(SOURCES["mast"])}
    for section, values in yaml.safe_load(text).items():
        data[section] = {**data.get(section, {}), **values}  # type: ignore[dict-item]
    path = tmp_path / "field.yaml"
    path.write_text(yaml.safe_dump(data))
    for command in ("check", "prepare"):
        result = CliRunner().invoke(main, [command, str(path)])
        assert result.exit_code in (3, 4, 6), result.output
        assert said in result.stderr
        assert result.stdout == ""


def test_files_that_are_there_are_taken_with_an_extension_behind_the_name(tmp_path) -> None:
    (tmp_path / "gaia.cat").touch()
    (tmp_path / "ref.fits").touch()
    path = tmp_path / "field.yaml"
    path.write_text(
        "campaign: {name: x}\nsource: {kind: directory, path: .}\n"
        "align: {tweakreg: {refcat: gaia.cat}}\n"
        "drizzle: {parameters: {driz_sep_refimage: 'ref.fits[sci,1]'}}\n"
    )
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.exit_code == 0, result.output
    # Where only others see the disk, nobody can tell.
    path.write_text(path.read_text().replace("gaia", "elsewhere"))
    arguments = ["check", str(path), "--set", "compute.backend=kubernetes"]
    assert CliRunner().invoke(main, arguments).exit_code == 0


def test_a_file_of_a_group_is_looked_for_beside_the_campaign_file(tmp_path) -> None:
    (tmp_path / "gaia.cat").touch()
    text = yaml.safe_dump(
        {
            "campaign": {"name": "x"},
            "source": SOURCES["mast"],
            "groups": {"parameters": {"T/F": {"align": {"tweakreg": {"refcat": "gaia.cat"}}}}},
        }
    )
    path = tmp_path / "field.yaml"
    path.write_text(text)
    own = load_campaign(path).for_group("T/F")
    assert own.align.tweakreg["refcat"] == str(tmp_path / "gaia.cat")


@pytest.mark.parametrize("source", ["directory", "simulated", "mast"])
def test_check_tells_which_reference_files_ivm_weights_need(tmp_path: Path, source: str) -> None:
    path = tmp_path / "field.yaml"
    path.write_text(file_with(source, "drizzle.parameters", {"final_wht_type": "IVM"}))
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.exit_code == 0, result.output
    shown = " ".join(result.stdout.replace("#", " ").split())
    assert "makes these weights from the flat field that each exposure names (PFLTFILE" in shown
    assert "iref (WFC3), jref (ACS)" in shown


def test_check_leaves_out_the_defaults_of_other_back_ends(tmp_path: Path) -> None:
    path = tmp_path / "field.yaml"
    path.write_text(file_with("directory", "compute.slurm.cores", 3))
    shown = CliRunner().invoke(main, ["check", str(path)]).stdout
    assert set(yaml.safe_load(shown)["compute"]) >= {"slurm", "workers"}
    assert not {"mpi", "kubernetes"} & set(yaml.safe_load(shown)["compute"])
    assert "# Left out, as no key of theirs is set: compute.mpi, compute.kubernetes" in shown
    comments = [line for line in shown.splitlines() if line.startswith("#")]
    assert max(map(len, comments)) <= 80
    assert load_campaign_text(shown, "shown", {}) == load_campaign(path)
