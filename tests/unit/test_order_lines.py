"""What a campaign file alone tells of the drizzle, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from skymosaic.config import Campaign, load_campaign
from skymosaic.config.detectors import named_detectors
from skymosaic.drizzle.expected import of_campaign
from skymosaic.drizzle.parameters import CR_STEPS, resolve
from skymosaic.errors import CampaignError
from skymosaic.pipeline.sentences.order import decided_at_plan, lines_before
from tests.conftest import write_campaign
from tests.unit.small_fits import write_exposure

FOLDER = {"kind": "directory", "path": "data"}
ACS = {"kind": "mast", "proposal_id": ["1"], "instrument": ["ACS/WFC"]}


def campaign(folder: Path, source: dict[str, Any], **sections: Any) -> Campaign:
    (folder / "data").mkdir(exist_ok=True)
    return load_campaign(write_campaign(folder / "field.yaml", source=source, **sections))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"kind": "simulated"}, [("WFC3", "IR")]),
        (FOLDER, []),
        ({**FOLDER, "detector": "ir"}, [("WFC3", "IR")]),
        ({**FOLDER, "detector": "WFC"}, []),
        (ACS, [("ACS", "WFC")]),
        ({**ACS, "instrument": ["ACS/WFC", "WFC3/UVIS"]}, [("ACS", "WFC"), ("WFC3", "UVIS")]),
        (
            {**ACS, "instrument": ["acs*", "ACS/WFC"]},
            [("ACS", "WFC"), ("ACS", "HRC"), ("ACS", "SBC")],
        ),
        ({"kind": "simulated", "instrument": "acs-wfc"}, [("ACS", "WFC")]),
        ({"kind": "simulated", "instrument": "wfc3-uvis"}, [("WFC3", "UVIS")]),
        ({**ACS, "instrument": []}, []),
        ({"kind": "s3", "uri": "s3://bucket/folder"}, []),
    ],
)
def test_the_detectors_that_a_file_names(
    source: dict[str, Any], expected: list[tuple[str, str]], tmp_path: Path
) -> None:
    assert named_detectors(campaign(tmp_path, source).source) == expected


def test_of_wfc3_ir_the_file_tells_all(tmp_path: Path) -> None:
    one = campaign(tmp_path, {"kind": "simulated"})
    assert lines_before(one)[:-1] == [f"AstroDrizzle, for each sky method: {resolve({})}"]
    assert decided_at_plan(one) == []


def test_of_ccds_it_tells_what_is_decided_when(tmp_path: Path) -> None:
    line, _ = lines_before(campaign(tmp_path, ACS))
    assert "of ACS/WFC: what the file does not set is decided by detector, at plan" in line
    either = lines_before(campaign(tmp_path, FOLDER, drizzle={"parameters": {"final_scale": 0.04}}))
    assert (
        "of WFC3/IR" in either[0] and "of CCDs: what the file does not set is decided" in either[1]
    )
    assert either[1].endswith("The file sets {'final_scale': 0.04}")


def test_it_tells_that_a_witness_may_be_refused(tmp_path: Path) -> None:
    off = dict.fromkeys(CR_STEPS, False)
    lines = lines_before(campaign(tmp_path, ACS, drizzle={"witness": True}))
    assert lines[-2].startswith("drizzle.witness: plan refuses it")
    sure = lines_before(campaign(tmp_path, ACS, drizzle={"witness": True, "parameters": off}))
    assert not any(line.startswith("drizzle.witness") for line in sure)


@pytest.mark.parametrize(
    ("sky", "expected"),
    [
        (
            {},
            "low in any exposure; if the campaign's first run has 50 exposures or more, in several",
        ),
        ({"static": "once"}, "static mask: pixels that are low in any exposure"),
        ({"static": "repeated"}, "low in several exposures"),
        ({"static": "none"}, "static mask: none"),
        ({"parameters": {"static": False}}, "static mask: none"),
        ({"parameters": {"static": True}}, "static mask: pixels that are low in any exposure"),
    ],
)
def test_it_tells_the_rule_of_the_static_mask(
    sky: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    line = lines_before(campaign(tmp_path, FOLDER, sky=sky))[-1]
    assert expected in line


@pytest.mark.parametrize("step", CR_STEPS)
def test_a_witness_of_cosmic_ray_steps_is_refused_by_the_file(step: str, tmp_path: Path) -> None:
    refused = {"witness": True, "parameters": {step: True}}
    with pytest.raises(CampaignError, match=rf"line 3: drizzle: witness does not work with {step}"):
        campaign(tmp_path, FOLDER, drizzle=refused)
    campaign(tmp_path, FOLDER, drizzle={**refused, "parameters": {step: False}})
    campaign(tmp_path, FOLDER, drizzle={**refused, "engine": "onepass"})  # it needs no witness


def test_so_it_is_in_a_group(tmp_path: Path) -> None:
    mast = {"kind": "mast", "proposal_id": ["1"]}
    own = {"drizzle": {"parameters": {"driz_cr": True}}}
    whole = campaign(
        tmp_path, mast, drizzle={"witness": True}, groups={"parameters": {"M 1/F606W": own}}
    )
    with pytest.raises(
        CampaignError, match=r"groups\.parameters\.M 1/F606W: witness does not work with driz_cr"
    ):
        whole.for_group("M 1/F606W")
    assert whole.for_group("M 1/F814W").drizzle.witness


def test_memory_is_projected_for_what_may_be_decided(tmp_path: Path) -> None:
    def looked_for(source: dict[str, Any], **parameters: Any) -> bool:
        one = campaign(tmp_path, source, drizzle={"parameters": parameters})
        return of_campaign(one).work.cosmic_rays

    assert not looked_for({"kind": "simulated"})
    assert looked_for(ACS)
    assert not looked_for(ACS, driz_cr=False)
    assert not looked_for({**ACS, "instrument": ["WFC3/IR"]})
    assert not looked_for(FOLDER)  # taken for WFC3/IR exposures, where none is seen
    write_exposure(tmp_path / "data" / "j_flt.fits", primary={"INSTRUME": "ACS", "DETECTOR": "WFC"})
    assert looked_for(FOLDER)
    assert not looked_for(FOLDER, driz_cr=False)
