"""Intervals against scipy's distributions, and by how often they cover."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from plugins.microscopy.counting.intervals import (
    bootstrap_interval,
    exact_interval,
    poisson_interval,
    ratio_interval,
    wilson_interval,
)


@settings(deadline=None, max_examples=60)
@given(count=st.integers(0, 20_000), confidence=st.sampled_from([0.8, 0.95, 0.99]))
def test_poisson_limits_are_those_of_the_chi_square_distribution(count, confidence):
    tail = (1 - confidence) / 2
    low = stats.chi2.ppf(tail, 2 * count) / 2 if count else 0
    assert poisson_interval(count, confidence) == pytest.approx(
        (low, stats.chi2.isf(tail, 2 * count + 2) / 2), rel=1e-6
    )


@settings(deadline=None, max_examples=60)
@given(data=st.data(), trials=st.integers(1, 5000), confidence=st.sampled_from([0.8, 0.95]))
def test_shares_are_those_of_scipy(data, trials, confidence):
    hits = data.draw(st.integers(0, trials))
    for method, limits in (('exact', exact_interval), ('wilson', wilson_interval)):
        expected = stats.binomtest(hits, trials).proportion_ci(confidence, method)
        assert limits(hits, trials, confidence) == pytest.approx(tuple(expected), abs=1e-7)


def test_no_trial_says_nothing():
    assert exact_interval(0, 0) == wilson_interval(0, 0) == (0, 1)


def test_the_ratio_of_two_counts_covers():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        low, high = ratio_interval(int(rng.poisson(12)), int(rng.poisson(40)))
        covered += low <= 12 / 40 <= high
    assert covered >= 0.92 * 100  # exact limits cover 95 % or more
    assert ratio_interval(3, 0)[1] == np.inf


def test_clumped_fields_have_wider_limits_than_poisson():
    even, clumped = np.full((20, 1), 5), np.array([[50], [50], *[[0]] * 18])
    narrow = bootstrap_interval(even, lambda sums: sums[:, 0])
    wide = bootstrap_interval(clumped, lambda sums: sums[:, 0])
    assert narrow == (100, 100)
    assert wide[0] < poisson_interval(100)[0] and wide[1] > poisson_interval(100)[1]
