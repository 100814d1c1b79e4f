"""Imbalanced pseudo-label regularisation: the formula by hand, and what it must not do."""

import numpy as np
import torch

from plugins.openset.imbalance import PseudoMarginal


def marginal(power: float) -> PseudoMarginal:
    part = PseudoMarginal(2, power, momentum=1.0)
    part.update(torch.tensor([9, 1]))
    return part


def test_by_hand():
    chances = torch.tensor([[0.8, 0.1], [0.1, 0.8], [0.9, 0.0], [0.3, 0.3]])
    labels, scores = torch.tensor([0, 1, 0, 2]), torch.tensor([0.8, 0.8, 0.9, 0.7])
    q = chances.double().numpy() / np.array([0.9, 0.1])
    q *= (chances.double().sum(1) / torch.from_numpy(q).sum(1)).numpy()[:, None]
    found = marginal(1.0).rescored(scores, labels, chances).numpy()
    np.testing.assert_allclose(found, [q[0, 0], q[1, 1], 0.9, 0.7], rtol=1e-5)  # alone, or unknown: as it was
    assert found[0] < 0.8 < found[1]  # the frequent class is punished where the rare one is plausible
    np.testing.assert_allclose(marginal(0.0).rescored(scores, labels, chances), scores, rtol=1e-6)


def test_empty_and_extreme():
    part = marginal(1.0)
    before = part.shares.clone()
    part.update(torch.zeros(2))
    assert torch.equal(part.shares, before)
    assert part.rescored(torch.zeros(0), torch.zeros(0, dtype=torch.long), torch.zeros(0, 2)).shape == (0,)
    only = PseudoMarginal(2, 1.0, momentum=1.0)
    only.update(torch.tensor([1, 0]))  # the share of the other is 0
    found = only.rescored(torch.ones(2), torch.tensor([0, 1]), torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    assert found.isfinite().all() and (found <= 1).all()
