"""What the engines are compared on."""

from __future__ import annotations

from skymosaic.engine_checks import sample_of

PAIRS = [("a", "b", 3.0), ("b", "c", 5.0), ("c", "d", 1.0), ("a", "d", 1.5)]


def test_the_pair_that_shares_most_comes_first_then_who_shares_most_with_it() -> None:
    assert sample_of("abcde", PAIRS, 2) == {"b", "c"}
    assert sample_of("abcde", PAIRS, 3) == {"a", "b", "c"}
    assert sample_of("abcde", PAIRS, 4) == {"a", "b", "c", "d"}


def test_it_takes_all_where_there_are_not_more_and_any_where_none_overlap() -> None:
    assert sample_of("ab", PAIRS[:1], 9) == {"a", "b"}
    assert len(sample_of("xyz", [], 2)) == 2
