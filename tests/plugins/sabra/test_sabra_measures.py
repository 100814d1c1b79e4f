"""Measures of scored pairs against loops, and that they find a planted effect."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.sabra.sampling.measures import ScoredPairs, false_positives, pair_figures, recall_in_images, related_ap

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6), st.integers(0, 5)), max_size=40)


def pairs_of(rows):
    image, score, kind = (np.array([row[at] for row in rows], np.int64) for at in range(3))
    return ScoredPairs(image, score / 8, kind)


@settings(deadline=None)
@given(ROWS, st.sampled_from([0.25, 0.5, 0.75, 1.0]), st.integers(1, 6))
def test_they_are_their_definitions(rows, recall, top):
    pairs = pairs_of(rows)
    ranked = sorted(rows, key=lambda row: (-row[1], row[2] == 0))
    related = sum(kind == 0 for _, _, kind in rows)
    found, wrong, precisions, counts = 0, 0, [], [0] * 5
    for number, (_, _, kind) in enumerate(ranked, 1):
        if found < recall * related and kind:
            counts[kind - 1] += 1
        found += kind == 0
        wrong += kind > 0
        precisions += [found / number] if kind == 0 else []
    assert false_positives(pairs, recall).tolist() == (counts if related else [0] * 5)
    assert related_ap(pairs) == pytest.approx(np.mean(precisions) if precisions else np.nan, nan_ok=True)
    in_top = 0
    for image in range(4):
        in_top += sum(kind == 0 for _, _, kind in [row for row in ranked if row[0] == image][:top])
    assert recall_in_images(pairs, top) == pytest.approx(in_top / related if related else np.nan, nan_ok=True)


def test_a_perfect_order_has_no_false_positive_and_ties_win_nothing():
    perfect = ScoredPairs(np.zeros(6, int), np.array([0.9, 0.8, 0.5, 0.4, 0.3, 0.2]), np.array([0, 0, 1, 2, 4, 5]))
    figures = pair_figures(perfect)
    assert figures['related_ap'] == 1 and figures['fp_75'] == 0 and figures['recall_5'] == 1
    equal = perfect._replace(score=np.ones(6))
    assert pair_figures(equal)['fp_25'] == 4 and related_ap(equal) == pytest.approx((1 / 5 + 2 / 6) / 2)


def scene(effect, seed=0):
    """20,000 pairs, 5 % related, 3 % N4; the scores of N4 are lower by ``effect`` than those that confuse."""
    generator = np.random.default_rng(seed)
    kind = generator.choice(6, 20000, p=[0.05, 0.3, 0.25, 0.25, 0.03, 0.12])
    level = np.array([1.5, -1.0, -0.5, -0.5, 1.5 - effect, 0.0])[kind]
    return ScoredPairs(np.arange(20000) // 40, level + generator.normal(size=20000), kind)


def test_a_planted_effect_on_the_rare_kind_is_found_and_found_nowhere_else():
    plain, better = pair_figures(scene(0.0)), pair_figures(scene(1.0))
    assert better['fp_50_n4'] < 0.6 * plain['fp_50_n4']
    assert better['fp_50'] < 0.9 * plain['fp_50'] and better['related_ap'] > plain['related_ap'] + 0.02
    assert better['related_ap_n4'] > plain['related_ap_n4'] + 0.1
    for kind in (1, 2, 3, 5):
        assert better[f'related_ap_n{kind}'] == plain[f'related_ap_n{kind}']
        assert better[f'fp_50_n{kind}'] == plain[f'fp_50_n{kind}']
