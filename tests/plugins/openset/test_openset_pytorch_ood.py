"""The scores beside pytorch-ood's on the same features: equal to 1e-5 for all that both have in one form.

VRA is not compared: pytorch-ood clips low activations to the threshold, the paper's code sets them to zero.
"""

import importlib
import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from plugins.openset.scores import SCORERS, Head

BOXES, WIDTH, CLASSES, QUERIES = 400, 16, 4, 60


@pytest.fixture(scope='module')
def peers():
    """``pytorch_ood.detector``; its package itself imports torchvision, which detplug does without."""
    folder = importlib.util.find_spec('pytorch_ood').submodule_search_locations
    package = ModuleType('pytorch_ood')
    package.__path__ = list(folder)
    sys.modules['pytorch_ood'] = package
    yield importlib.import_module('pytorch_ood.detector')
    for name in [name for name in sys.modules if name.partition('.')[0] == 'pytorch_ood']:
        del sys.modules[name]


@pytest.fixture(scope='module')
def data():
    """Labelled features around class means, with a spectrum that falls off, and queries that are stranger."""
    generator = torch.Generator().manual_seed(0)
    scale = torch.logspace(0.3, -0.7, WIDTH)
    labels = torch.arange(BOXES) % CLASSES
    means = torch.rand(CLASSES, WIDTH, generator=generator) * 2
    features = (means[labels] + torch.randn(BOXES, WIDTH, generator=generator) * scale).relu()
    queries = (torch.randn(QUERIES, WIDTH, generator=generator) * 2 * scale + 0.5).relu()
    head = Head(
        torch.randn(1, CLASSES, WIDTH, generator=generator) / 2, torch.randn(1, CLASSES, generator=generator) / 10
    )
    return features, labels, queries, head


@pytest.fixture
def double(monkeypatch):
    """Lets pytorch-ood compute in double: its float32 rounds Mahalanobis and ViM to 4e-5."""
    monkeypatch.setattr(torch.Tensor, 'float', torch.Tensor.double)
    torch.set_default_dtype(torch.float64)
    yield monkeypatch
    back_to_single(monkeypatch)


def back_to_single(monkeypatch) -> None:
    monkeypatch.undo()
    torch.set_default_dtype(torch.float32)


def theirs_of(peer, data) -> torch.Tensor:
    features, labels, queries, _ = data
    return peer.fit_features(features.double(), labels).predict_features(queries.double())


def ours(name, data, **kwargs) -> np.ndarray:
    features, labels, queries, head = data
    if name in ('ReAct', 'ASHS'):
        kwargs['rows'] = 1
    scorer = SCORERS.build(dict(type=name, classes=CLASSES, width=WIDTH, **kwargs))
    scorer.fit(features, head.logits(features), labels, head)
    return scorer(queries, head.logits(queries)).numpy()


def same(ours: np.ndarray, theirs) -> None:
    assert np.ptp(ours) > 0.01
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5, atol=1e-5)


def test_scores_of_logits(peers, data):
    logits = data[3].logits(data[2])
    same(ours('MSP', data), 1 + peers.MaxSoftmax.score(logits))
    same(ours('MaxLogit', data), peers.MaxLogit.score(logits))
    same(ours('Energy', data), peers.EnergyBased.score(logits))


def test_distances(peers, data, double):
    # pytorch-ood sums the outer products instead of averaging them: BOXES times the covariance
    mahalanobis, rmd, knn = (theirs_of(x, data) for x in (peers.Mahalanobis(None), peers.RMD(None), peers.KNN(None, 5)))
    back_to_single(double)
    same(ours('Mahalanobis', data, shrinkage=0.0), 2 * BOXES * mahalanobis)
    same(ours('RMD', data, shrinkage=0.0), BOXES * rmd)
    same(ours('KNN', data, neighbour=5), knn)


def test_virtual_logit(peers, data, double):
    head = data[3]
    vim = theirs_of(peers.ViM(None, d=8, w=head.weight[0], b=head.bias[0]), data)
    back_to_single(double)
    same(ours('ViM', data, dimensions=8), vim)


def test_changed_features(peers, data):
    features, labels, queries, head = data
    react = peers.ReAct(None, head.logits).fit_feature_maps(features, labels)
    same(ours('ReAct', data), react.predict_feature_maps(queries))
    ash = peers.ASH(None, lambda z: head.logits(z.flatten(1)), percentile=0.65)
    same(ours('ASHS', data, quantile=0.65), ash.predict_feature_maps(queries[:, :, None, None]))
