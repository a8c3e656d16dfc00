"""Scenes that favour one sky method or another."""

from __future__ import annotations

import numpy as np
import pytest

from skymosaic.archive.simulated.detector import SATURATED
from skymosaic.archive.simulated.exposures import expose
from skymosaic.archive.simulated.headers import distorted_wcs, reference_scale
from skymosaic.archive.simulated.names import SCENES
from skymosaic.archive.simulated.pointing import plan_exposure, visits_of
from skymosaic.archive.simulated.scene import nebula, render
from skymosaic.archive.simulated.scenes import diffuse, ghost
from skymosaic.archive.simulated.simulation import Simulation
from skymosaic.errors import CampaignError

V, U = np.mgrid[-180:180:37j, -180:180:37j]


def skies(scene) -> list[float]:
    simulation = Simulation(scene=scene, seed=3)
    return [plan_exposure(simulation, visit, 0).sky for visit in visits_of(simulation)]


def test_the_default_scene_is_what_it_was() -> None:
    light = nebula(Simulation(), U, V)
    expected = [0.5311496623643862, 0.17210561385377762, 0.19846825840405233]
    assert [light[5, 5], light[18, 18], light[30, 30]] == pytest.approx(expected, rel=1e-12)
    assert skies("horsehead")[0] == 1.150107


@pytest.mark.parametrize("scene", SCENES)
def test_light_is_never_negative_and_a_seed_is_a_field(scene) -> None:
    one, same, other = (Simulation(scene=scene, seed=seed) for seed in (1, 1, 2))
    light = nebula if scene == "horsehead" else diffuse
    image = light(one, U, V)
    assert image.min() >= 0
    np.testing.assert_array_equal(image, light(same, U, V))
    if scene not in ("sparse", "saturated"):
        assert np.abs(image - light(other, U, V)).max() > 0.1


def test_scenes_have_the_emission_and_skies_that_they_are_named_for() -> None:
    def image(scene):
        return diffuse(Simulation(scene=scene, seed=1), U, V)

    assert image("sparse").max() == 0.0
    assert image("nebula").max() > 0.8 and np.percentile(image("nebula"), 10) < 0.01
    assert 0.2 < np.mean(image("one-sided") == 0.0) < 0.6
    assert image("filled").min() > 0.02 and np.median(image("filled")) > 0.3
    assert len(set(skies("equal-skies"))) == 1
    assert max(skies("filled")) < 0.06
    assert np.ptp(skies("sparse")) > 0.3


def test_one_tile_alone_has_the_ghost_and_all_have_the_saturated_star() -> None:
    simulation = Simulation(size="small", scene="saturated", tiles=("51", "54"))
    for visit in visits_of(simulation):
        exposure = plan_exposure(simulation, visit, 0)
        wcs = distorted_wcs(exposure.true_wcs)
        extra = ghost(simulation, exposure, wcs)
        assert bool(extra.max() > 1.0) is (visit == "ibxl51")
        light = render(simulation, wcs, reference_scale())
        flags = expose(simulation, exposure.rootname, light, exposure.exptime)[2]
        assert 4 < ((flags & SATURATED) > 0).sum() < 3000


def test_an_unknown_scene_is_refused() -> None:
    with pytest.raises(CampaignError, match="choose from horsehead, sparse"):
        Simulation(scene="andromeda")
