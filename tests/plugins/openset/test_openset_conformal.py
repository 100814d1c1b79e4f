"""Conformal strangeness, the gate on the false-discovery rate, and what scores learn from few boxes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.openset.discovery import DiscoveryRate
from plugins.openset.scores import SCORERS, ClassCDF, ConformalStrangeness, Head
from plugins.openset.scores.distances import ledoit_wolf


def p_value(query: float, scores: np.ndarray) -> float:
    return (1 + (scores >= query).sum()) / (1 + len(scores))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), sizes=st.lists(st.integers(0, 60), min_size=2, max_size=4))
def test_it_is_the_formula_at_calibration_scores(seed, sizes):
    """Just above a calibration score p is that of the formula; the pool's is checked with it."""
    rng = np.random.default_rng(seed)
    sizes[0] = max(sizes[0], 1)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    scores = rng.normal(labels * 3, 1 + labels)
    cal = ConformalStrangeness(len(sizes), points=1 << 16).fit(torch.tensor(scores).float(), torch.tensor(labels))
    query = rng.normal(0, 4, (20, len(sizes)))
    found = cal(torch.tensor(query).float()).numpy()
    mean = np.array([scores[labels == k].mean() if size else 0 for k, size in enumerate(sizes)])
    square = [((scores[labels == k] - mean[k]) ** 2).sum() for k in range(len(sizes))]
    pooled = sum(square) / max(len(scores) - sum(size > 0 for size in sizes), 1)
    spread = np.sqrt((np.array(square) + 20 * pooled) / (np.array(sizes) + 20)).clip(1e-6)
    residuals = (scores - mean[labels]) / spread[labels]
    for row, s in zip(query, found, strict=True):
        best = 0
        for k, size in enumerate(sizes):
            if size:
                of_class, pool = (
                    p_value(row[k], scores[labels == k]),
                    p_value((row[k] - mean[k]) / spread[k], residuals),
                )
                best = max(best, (size * of_class + 20 * pool) / (size + 20))
        # lines between calibration scores: at most one rank above the formula, never below it inside their range
        assert 1 - s <= best + 1 / (1 + min(x for x in sizes if x)) + 1e-4
        inside = all(row[k] <= scores[labels == k].max() for k, size in enumerate(sizes) if size)
        if inside and all((row[k] - mean[k]) / spread[k] <= residuals.max() for k, size in enumerate(sizes) if size):
            assert 1 - s >= best - 1e-4


def test_p_values_of_new_boxes_are_uniform_or_larger():
    generator = torch.Generator().manual_seed(0)
    shares = []
    for _ in range(60):
        scores, new = torch.randn(2, 400, generator=generator)
        labels = torch.arange(400) % 2
        cal = ConformalStrangeness(2).fit(scores, labels)
        of_class = torch.full((400, 2), torch.inf).scatter(1, labels[:, None], new[:, None])
        shares.append((cal(of_class) > 0.9).float().mean())
    assert 0.07 < torch.stack(shares).mean() <= 0.105  # 10 %, shrunk towards the pool


def test_a_rare_class_can_be_left():
    """With 15 boxes alone s is at most 15/16; the pool lets the strangest pass .99, and ordinary ones not."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([0] * 3000 + [1] * 15)
    cal = ConformalStrangeness(2).fit(torch.randn(3015, generator=generator), labels)
    rare = torch.tensor([[torch.inf, 0.0], [torch.inf, 1.5], [torch.inf, 8.0], [torch.inf, 80.0]])
    found = cal(rare)
    assert found[0] < 0.8 and found[1] < 0.97 and 0.99 < found[2] < found[3] < 1
    alone = ClassCDF(2).fit(torch.randn(3009, generator=generator), labels[:3009])  # nine boxes
    assert alone(torch.tensor([1e9]), torch.tensor([1])) == 0.5  # what ClassCDF says of them: never unknown


def test_equal_scores_of_labelled_boxes_make_no_step():
    """Two roads that differ by rounding give one strangeness."""
    scores = torch.tensor([0.0] * 30 + [1.0] * 30 + [1.0001] * 3 + [2.0])
    found = ConformalStrangeness(1).fit(scores, torch.zeros(64, dtype=torch.long))
    near = torch.linspace(-0.5, 3, 2001)
    moved = (found(near[:, None] + 1e-5) - found(near[:, None])).abs()
    assert moved.max() < 0.01 and (found(near[:, None]).diff() >= -1e-6).all()


def test_a_class_without_labelled_box_claims_nothing():
    cal = ConformalStrangeness(2).fit(torch.randn(50), torch.zeros(50, dtype=torch.long))
    assert cal(torch.tensor([[9.0, -9.0]])) == cal(torch.tensor([[9.0, torch.inf]])) > 0.9
    assert cal(torch.tensor([[torch.inf, torch.inf]])) == 1


def test_beyond_the_largest_score_boxes_are_still_ordered():
    scores = torch.randn(500, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(500, dtype=torch.long)
    far = torch.tensor([4.5, 5, 8, 20, 100])
    for found in (
        ConformalStrangeness(1).fit(scores, labels)(far[:, None]),
        ClassCDF(1, tail=0.01).fit(scores, labels)(far, torch.zeros(5, dtype=torch.long)),
    ):
        assert (found.diff() > 0).all() and found[0] > 0.98 and scores.max() < 4.5 and found[-1] < 1
    assert (ClassCDF(1).fit(scores, labels)(far, torch.zeros(5, dtype=torch.long)) == 1).all()


@pytest.mark.parametrize('fit', (ConformalStrangeness(2).fit, ClassCDF(2).fit))
def test_scores_that_are_no_numbers_are_refused(fit):
    for scores in (torch.zeros(0), torch.tensor([1.0, torch.nan])):
        with pytest.raises(ValueError, match='scores; wanted at least one, all finite'):
            fit(scores, torch.zeros(len(scores), dtype=torch.long))


# -- the false-discovery rate ------------------------------------------------------------------------------------------


def rate_of(values: np.ndarray, tau: float) -> float:
    discovery = DiscoveryRate(tau)
    discovery.update(torch.tensor(len(values)), torch.tensor((values >= tau).sum()))
    return float(discovery.rate)


@pytest.mark.parametrize('share', (0.01, 0.05, 0.2))
def test_the_rate_is_near_the_truth_of_a_planted_mixture(share):
    rng = np.random.default_rng(0)
    count = 20000
    strange = rng.random(count) < share
    values = np.where(strange, 1 - rng.random(count) ** 4 * 0.02, rng.random(count))
    for tau in (0.98, 0.995):
        truth = (~strange & (values >= tau)).sum() / (values >= tau).sum()
        assert abs(rate_of(values, tau) - truth) < 0.12 * truth + 0.02 + share * truth


def test_the_rate_is_high_where_nothing_is_strange():
    """One box in a hundred above .99 is what chance gives."""
    values = np.random.default_rng(1).random(20000)
    assert (values >= 0.99).sum() > 150 and rate_of(values, 0.99) > 0.8
    assert rate_of(np.zeros(5), 0.99) == 1.0


# -- scores on few boxes, and of sigmoid heads -------------------------------------------------------------------------


def test_shrinkage_is_ledoit_and_wolfs():
    rng = np.random.default_rng(0)
    for count, width in ((20, 40), (400, 10), (60, 60)):
        x = rng.normal(0, np.linspace(0.2, 3, width), (count, width))
        x -= x.mean(0)
        s = x.T @ x / count
        mean = np.trace(s) / width
        distance = ((s - mean * np.eye(width)) ** 2).sum() / width
        spread = sum(((np.outer(row, row) - s) ** 2).sum() for row in x) / width / count**2
        np.testing.assert_allclose(ledoit_wolf(torch.tensor(x)), min(spread, distance) / distance, rtol=1e-9)


@pytest.mark.parametrize('name', ('Mahalanobis', 'RMD'))
def test_directions_that_no_labelled_box_took_are_strange(name):
    """Fewer boxes than features, as on the coarse levels of a head: a box far along a direction of none of them."""
    generator = torch.Generator().manual_seed(0)
    labels, width = torch.arange(20) % 2, 64
    boxes = torch.randn(20, width, generator=generator)
    boxes[:, 40:] = 0
    near, far = boxes[:1].clone(), boxes[:1].clone()
    far[:, 50] = 30
    scores = {
        value: SCORERS.build(dict(type=name, classes=2, width=width, shrinkage=value)).fit(
            boxes, torch.zeros(20, 2), labels
        )
        for value in (None, 0.0)
    }
    assert scores[0.0](far, None) <= scores[0.0](near, None) + 1e-3  # the published form sees nothing
    if name == 'Mahalanobis':
        assert scores[None](far, None) > scores[None](near, None) + 10


def test_far_features_are_strange_to_vim_on_sigmoid_heads():
    generator = torch.Generator().manual_seed(0)
    head = (torch.randn(1, 3, 16, generator=generator) * 0.1, torch.full((1, 3), -4.0))
    z = torch.randn(300, 16, generator=generator)
    logits = Head(*head).logits(z)
    assert logits.amax(1).mean() < 0
    vim = SCORERS.build(dict(type='ViM', classes=3, width=16, sigmoid=True))
    vim.fit(z, logits, logits.argmax(1), Head(*head))
    assert vim.alpha > 0
    off = vim.outside[:, 0] * 20
    assert vim(z[:1] + off, logits[:1]) > vim(z[:1], logits[:1])


@pytest.mark.parametrize('unit', (0.05, 1.0, 20.0))
def test_vra_plus_plus_takes_its_constants_from_the_data(unit):
    """What is strange does not depend on the unit of the features, as it did with constants of CIFAR-10."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(400, 16, generator=generator).relu() * 0.4
    query = torch.randn(60, 16, generator=generator).relu()
    weight, bias = torch.randn(1, 3, 16, generator=generator), torch.randn(1, 3, generator=generator)

    def score(unit, **given):
        head = Head(weight / unit, bias)
        scorer = SCORERS.build(dict(type='VRAPlusPlus', classes=3, width=16, **given))
        scorer.fit(z * unit, head.logits(z * unit), torch.zeros(400, dtype=torch.long), head)
        return scorer(query * unit, head.logits(query * unit))

    cifar = dict(scale=0.01, middle=4.0)
    torch.testing.assert_close(score(unit), score(0.4), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(score(20.0, **cifar), score(0.4, **cifar), rtol=0.1)
