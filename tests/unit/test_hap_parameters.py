"""drizzlepac's defaults by detector and number of exposures, against its own files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from skymosaic.config import hap_parameters as hap
from skymosaic.config.drizzlepac_parameters import known_parameters, parameters_folder
from skymosaic.config.drizzlepac_reserved import RESERVED
from skymosaic.drizzle.parameters import CR_STEPS
from skymosaic.errors import InstallationError

DETECTORS = ("acs_wfc", "acs_hrc", "wfc3_uvis", "wfpc2_pc")


def flat(file: str) -> dict[str, Any]:
    """Return all parameters of one of drizzlepac's files."""
    content = json.loads((parameters_folder() / file).read_text())
    sections = [one for one in content.values() if isinstance(one, dict)]
    return {name: value for section in sections for name, value in section.items()}


@pytest.mark.parametrize(
    ("detector", "era", "files"),
    [
        ("acs_wfc", "", {1: "n1", 2: "n2", 3: "n2", 5: "n2", 6: "n6", 700: "n6"}),
        ("acs_hrc", "", {0: "n1", 1: "n1", 2: "n2", 6: "n6"}),
        ("wfpc2_pc", "", {1: "n1", 2: "n2", 3: "n3", 4: "n4", 9: "n4"}),
        ("wfc3_uvis", "pre", {1: "n1", 2: "pre2012_n2", 5: "pre2012_n2", 6: "pre2012_n6"}),
        ("wfc3_uvis", "post", {1: "n1", 2: "any_n2", 5: "any_n2", 6: "any_n6"}),
    ],
)
def test_the_file_is_the_one_that_drizzlepac_takes(
    detector: str, era: hap.Era, files: dict[int, str]
) -> None:
    for exposures, name in files.items():
        found = hap.hap_parameters(detector, exposures, era)
        assert found.file.startswith("hap_pars/svm_parameters/")
        assert found.file.endswith(f"{name}.json")
        assert ("pre2012" in found.file) == ("pre2012" in name)


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("exposures", [1, 2, 3, 4, 6])
def test_values_are_those_of_the_file(detector: str, exposures: int) -> None:
    era: hap.Era = "post" if detector == "wfc3_uvis" else ""
    found = hap.hap_parameters(detector, exposures, era)
    theirs = flat(found.file)
    for name, value in found.parameters.items():
        assert value == theirs[name], name
    assert {"sky_bits", "driz_sep_bits", "final_bits", "combine_type"} <= set(found.parameters)
    assert {"combine_nhigh", "driz_cr_snr", "driz_cr_scale"} <= set(found.parameters)


@pytest.mark.parametrize("detector", DETECTORS)
def test_only_what_makes_sense_for_all_campaigns_is_taken(detector: str) -> None:
    taken = set(hap.hap_parameters(detector, 2, "post" if "uvis" in detector else "").parameters)
    assert taken <= set(known_parameters("astrodrizzle"))
    assert not taken & set(RESERVED["astrodrizzle"])
    assert not taken & set(CR_STEPS)
    grids = {"final_scale", "final_rot", "final_pixfrac", "driz_sep_wcs", "driz_sep_scale"}
    assert not taken & (grids | {"skymethod", "skysub", "static", "context", "resetbits"})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have an installation of drizzlepac whose files can be broken."""
    hap.hap_parameters.cache_clear()
    monkeypatch.setattr(hap, "parameters_folder", lambda: tmp_path)
    inside = tmp_path / "hap_pars" / "svm_parameters"
    inside.mkdir(parents=True)
    yield inside
    hap.hap_parameters.cache_clear()


def test_an_installation_that_is_not_whole_is_named(folder: Path) -> None:
    with pytest.raises(InstallationError, match=r"acs_wfc_index\.json: cannot be read"):
        hap.hap_parameters("acs_wfc", 2)
    index = folder / "acs_wfc_index.json"
    index.write_text("{")
    with pytest.raises(InstallationError, match="is no JSON"):
        hap.hap_parameters("acs_wfc", 2)
    index.write_text('{"astrodrizzle": {}}')
    with pytest.raises(InstallationError, match="names no file of AstroDrizzle's parameters for 2"):
        hap.hap_parameters("acs_wfc", 2)
    index.write_text('{"astrodrizzle": {"any_n1": "one.json"}}')
    (folder / "one.json").write_text('{"STEP 4: MEDIAN": {"combine_kind": "minmed"}}')
    with pytest.raises(InstallationError, match=r"one\.json.*combine_kind.*install drizzlepac"):
        hap.hap_parameters("acs_wfc", 2)
