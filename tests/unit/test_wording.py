"""Numbers in sentences: what is not 0 is not shown as 0, and an error has two digits."""

from __future__ import annotations

import pytest

from skymosaic.evidence.wording import amount, measured


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (0.062, 0.001, "0.0620 +- 0.0010"),
        (0.00003, 0.0001, "0.00003 +- 0.00010"),
        (0.0, 0.0001, "0.00000 +- 0.00010"),
        (0.00004, 0.000012, "0.000040 +- 0.000012"),
        (1234.5678, 12.5, "1234.5678 +- 12.5000"),
        (0.25, 0.0, "0.2500 +- 0.0000"),
        (-1e-12, 1e-30, "-0.000000000 +- 0.000000000"),
        (0.1, float("inf"), "0.1000 +- inf"),
    ],
)
def test_a_value_has_the_decimals_of_its_error(value: float, error: float, said: str) -> None:
    assert measured(value, error) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.5, "0.5000"), (0.0012, "0.0012"), (0.00012, "0.00012"), (-3.7e-6, "-0.0000037"),
     (0.0, "0.0000"), (float("nan"), "nan")],
)  # fmt: skip
def test_a_small_amount_has_two_digits(value: float, said: str) -> None:
    assert amount(value) == said
    assert amount(0.5, sign="+") == "+0.5000"
