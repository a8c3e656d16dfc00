"""Under which sky cosmic rays are looked for."""

from __future__ import annotations

import pytest

from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.cosmic_rays import method_of


@pytest.mark.parametrize(
    ("methods", "method"),
    [
        (["localmin", "match"], "match"),
        (["localmin", "match-differences"], "match"),
        (["match", "globalmin+match-differences"], "globalmin+match"),
        (["globalmin", "localmin"], "localmin"),
        ([None], "localmin"),
    ],
)
def test_it_is_one_of_astrodrizzles_the_best_matched(methods, method) -> None:
    assert method_of({str(i): SkyChoice(one) for i, one in enumerate(methods)}) == method
