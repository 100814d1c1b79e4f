"""Every score against its formula written out again, case by case, and the calibration."""

import numpy as np
import pytest
import torch

from plugins.openset.scores import SCORERS, ClassCDF, Head
from plugins.openset.scores.distances import balanced

BOXES, WIDTH, CLASSES = 300, 12, 4
NEED_HEAD = ('ReAct', 'ASHS', 'VRA', 'VRAPlus', 'VRAPlusPlus', 'ViM')
NAMES = ('MSP', 'MaxLogit', 'Energy', 'Mahalanobis', 'RMD', 'KNN', *NEED_HEAD)


class Boxes:
    """Labelled boxes of a made-up head with ``rows`` rows, and queries."""

    def __init__(self, rows: int = 1):
        generator = torch.Generator().manual_seed(0)
        self.labels = torch.randint(0, CLASSES, (BOXES,), generator=generator)
        self.z = torch.randn(BOXES, WIDTH, generator=generator).relu() + 0.3 * self.labels[:, None]
        self.head = Head(
            torch.randn(rows, CLASSES, WIDTH, generator=generator), torch.randn(rows, CLASSES, generator=generator)
        )
        self.rows = torch.randint(0, rows, (BOXES,), generator=generator)
        self.logits = self.head.logits(self.z, self.rows)
        self.query = torch.randn(40, WIDTH, generator=generator).relu() * 2
        self.query_rows = torch.randint(0, rows, (40,), generator=generator)

    def score(self, name: str, **kwargs) -> np.ndarray:
        if name in NEED_HEAD and name != 'ViM':
            kwargs['rows'] = len(self.head.weight)
        scorer = SCORERS.build(dict(type=name, classes=CLASSES, width=WIDTH, **kwargs))
        scorer.fit(self.z, self.logits, self.labels, self.head)
        return scorer(self.query, self.head.logits(self.query, self.query_rows), self.query_rows).numpy()

    def energies(self, features: torch.Tensor, sigmoid: bool = False) -> np.ndarray:
        """Of each query's own row of the head, in a loop."""
        out = []
        for z, row in zip(features.double(), self.query_rows, strict=True):
            logits = (self.head.weight[row].double() @ z + self.head.bias[row]).numpy()
            out.append(-np.log1p(np.exp(logits)).sum() if sigmoid else -np.log(np.exp(logits).sum()))
        return np.array(out)


@pytest.fixture(params=(1, 3))
def boxes(request):
    return Boxes(request.param)


@pytest.mark.parametrize('sigmoid', (False, True))
def test_scores_of_logits(boxes, sigmoid):
    logits = boxes.head.logits(boxes.query, boxes.query_rows).double().numpy()
    softmax = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    probability = 1 / (1 + np.exp(-logits)) if sigmoid else softmax
    np.testing.assert_allclose(boxes.score('MSP', sigmoid=sigmoid), 1 - probability.max(1), atol=1e-5)
    np.testing.assert_allclose(boxes.score('MaxLogit', sigmoid=sigmoid), -logits.max(1), rtol=1e-5, atol=1e-5)
    want = boxes.energies(boxes.query, sigmoid)
    np.testing.assert_allclose(boxes.score('Energy', sigmoid=sigmoid), want, rtol=1e-5, atol=1e-4)
    hot = 2 * np.array([-np.log(np.exp(row / 2).sum()) for row in logits])
    np.testing.assert_allclose(boxes.score('Energy', temperature=2.0), hot, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize('sigmoid', (False, True))
def test_react_cuts_at_the_quantile(boxes, sigmoid):
    limit = np.quantile(boxes.z.numpy(), 0.9)
    want = boxes.energies(boxes.query.clamp(max=float(limit)), sigmoid)
    np.testing.assert_allclose(boxes.score('ReAct', sigmoid=sigmoid), want, rtol=1e-5, atol=1e-4)


def test_ash_s_prunes_and_scales(boxes):
    shaped = []
    for z in boxes.query.numpy():
        kept = z.copy()
        kept[np.argsort(z)[: round(0.65 * WIDTH)]] = 0
        shaped.append(kept * np.exp(z.sum() / kept.sum()))
    want = boxes.energies(torch.from_numpy(np.array(shaped)))
    np.testing.assert_allclose(boxes.score('ASHS'), want, rtol=1e-4, atol=1e-3)


def test_ash_s_stays_finite_where_nothing_positive_is_left():
    boxes = Boxes()
    boxes.query = -torch.rand(5, WIDTH)
    boxes.query_rows = torch.zeros(5, dtype=torch.long)
    assert np.isfinite(boxes.score('ASHS')).all()


@pytest.mark.parametrize('name', ('VRA', 'VRAPlus', 'VRAPlusPlus'))
def test_vra_by_brute_force(boxes, name):
    low, high, gamma = dict(VRA=(0.6, 0.9, 0), VRAPlus=(0.6, 0.95, 0.6), VRAPlusPlus=(0.5, 0.85, 0))[name]
    alpha, beta = np.quantile(boxes.z.numpy().ravel(), [low, high])
    shaped = [[0 if x < alpha else beta if x > beta else x + gamma for x in z] for z in boxes.query.tolist()]
    want = boxes.energies(torch.tensor(shaped))
    if name == 'VRAPlusPlus':
        want = want + 0.01 * ((boxes.query.numpy() - 4) ** 2).sum(1)
    published = dict(scale=0.01, middle=4.0) if name == 'VRAPlusPlus' else {}
    np.testing.assert_allclose(boxes.score(name, **published), want, rtol=1e-5, atol=1e-4)


def test_mahalanobis_and_its_relative_form(boxes):
    z, labels, query = boxes.z.double().numpy(), boxes.labels.numpy(), boxes.query.double().numpy()
    means = np.array([z[labels == k].mean(0) for k in range(CLASSES)])
    inverse = np.linalg.inv(np.cov((z - means[labels]).T, bias=True))
    near = np.array([min((q - m) @ inverse @ (q - m) for m in means) for q in query])
    np.testing.assert_allclose(boxes.score('Mahalanobis', shrinkage=0.0), near, rtol=1e-3)
    all_inverse = np.linalg.inv(np.cov(z.T, bias=True))
    background = np.array([(q - z.mean(0)) @ all_inverse @ (q - z.mean(0)) for q in query])
    np.testing.assert_allclose(boxes.score('RMD', shrinkage=0.0), near - background, rtol=1e-2, atol=1e-2)


def test_a_class_without_box_is_nobodys_nearest():
    boxes = Boxes()
    boxes.labels[boxes.labels == 2] = 1
    assert np.isfinite(boxes.score('Mahalanobis')).all()


def test_fewer_boxes_than_features_can_be_fitted():
    boxes = Boxes()
    boxes.z, boxes.logits, boxes.labels = boxes.z[:5], boxes.logits[:5], boxes.labels[:5]
    for name in NAMES:
        assert np.isfinite(boxes.score(name)).all(), name
    assert (boxes.score('Mahalanobis', shrinkage=0.1) > 0).all()


def test_knn_is_the_distance_to_the_kth_neighbour(boxes):
    bank = boxes.z.double().numpy()
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    query = boxes.query.double().numpy()
    query /= np.linalg.norm(query, axis=1, keepdims=True)
    want = np.sort(np.linalg.norm(query[:, None] - bank, axis=2), axis=1)[:, 4]
    np.testing.assert_allclose(boxes.score('KNN', neighbour=5), want, atol=1e-3)


def test_a_bank_that_was_exported_can_be_fitted_again():
    boxes = Boxes()
    scorer = SCORERS.build(dict(type='KNN', classes=CLASSES, width=WIDTH))
    scorer.fit(boxes.z, boxes.logits, boxes.labels)
    scorer.prepare_export()
    scorer.fit(boxes.z[:20], boxes.logits[:20], boxes.labels[:20])
    fresh = SCORERS.build(dict(type='KNN', classes=CLASSES, width=WIDTH))
    fresh.fit(boxes.z[:20], boxes.logits[:20], boxes.labels[:20])
    logits = boxes.head.logits(boxes.query)
    assert torch.equal(scorer(boxes.query, logits), fresh(boxes.query, logits))


def test_a_full_bank_is_shared_by_the_classes():
    labels = torch.tensor([0] * 90 + [1] * 3 + [2] * 7)
    chosen = labels[balanced(labels, 12)]
    assert torch.bincount(chosen).tolist() == [5, 3, 4]
    assert len(balanced(labels, 500)) == 100


def test_vim_adds_a_virtual_logit(boxes):
    weight, bias = boxes.head.weight.flatten(0, 1).double().numpy(), boxes.head.bias.flatten().double().numpy()
    origin = -np.linalg.pinv(weight) @ bias
    centred, query = boxes.z.double().numpy() - origin, boxes.query.double().numpy() - origin
    _, vectors = np.linalg.eigh(centred.T @ centred)
    outside = vectors[:, : WIDTH - 5]
    alpha = np.abs(boxes.logits.double().numpy().max(1)).mean() / np.linalg.norm(centred @ outside, axis=1).mean()
    logits = boxes.head.logits(boxes.query, boxes.query_rows).double().numpy()
    want = alpha * np.linalg.norm(query @ outside, axis=1) - np.log(np.exp(logits).sum(1))
    np.testing.assert_allclose(boxes.score('ViM', dimensions=5), want, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize('name', NAMES)
def test_state_travels_with_the_weights(boxes, name):
    kwargs = dict(rows=len(boxes.head.weight)) if name in NEED_HEAD and name != 'ViM' else {}
    fitted, fresh = (SCORERS.build(dict(type=name, classes=CLASSES, width=WIDTH, **kwargs)) for _ in range(2))
    fitted.fit(boxes.z, boxes.logits, boxes.labels, boxes.head)
    fresh.load_state_dict(fitted.state_dict())
    arguments = boxes.query, boxes.head.logits(boxes.query, boxes.query_rows), boxes.query_rows
    assert torch.equal(fitted(*arguments), fresh(*arguments))
    assert fitted(*(x[:0] for x in arguments)).shape == (0,)


def test_shapes_that_do_not_belong_together_are_refused():
    boxes = Boxes()
    for change in (dict(z=boxes.z[:, 1:]), dict(logits=boxes.logits[:, 1:]), dict(labels=boxes.labels[:0])):
        wrong = Boxes()
        wrong.__dict__.update(change)
        with pytest.raises(ValueError, match='wanted'):
            wrong.score('MSP')
    boxes.head = None
    with pytest.raises(ValueError, match='head'):
        SCORERS.build(dict(type='ReAct', classes=CLASSES, width=WIDTH)).fit(boxes.z, boxes.logits, boxes.labels)


def test_calibration_is_the_share_of_labelled_boxes_below():
    scores, one = torch.arange(1000.0), torch.zeros(1000, dtype=torch.long)
    cdf = ClassCDF(1).fit(scores, one)
    query = torch.tensor([-5.0, 0.0, 499.5, 990.0, 999.0, 1e9])
    torch.testing.assert_close(cdf(query, one[:6]), torch.tensor([0, 0, 0.5, 0.991, 1, 1]), atol=1e-3, rtol=0)
    constant = ClassCDF(1).fit(torch.full((10,), 3.0), one[:10])
    assert constant(torch.tensor([2.0, 3.0, 4.0]), one[:3]).tolist() == [0, 1, 1]
    assert (cdf(query.sort().values, one[:6]).diff() >= 0).all()
    for wrong in (torch.zeros(0), torch.tensor([1.0, torch.nan])):
        with pytest.raises(ValueError, match='scores'):
            ClassCDF(1).fit(wrong, one[: len(wrong)])


def test_a_rare_class_is_not_strange_because_it_is_rare():
    scores = torch.cat(
        [torch.linspace(0, 1, 900), torch.linspace(2, 3, 30), torch.full((6,), 5.0), torch.full((5,), 7.0)]
    )
    labels = torch.tensor([0] * 900 + [1] * 30 + [2] * 6 + [3] * 5)
    cdf = ClassCDF(5).fit(scores, labels)
    query = torch.tensor([0.95, 2.5, 6.0, 6.0, 6.0])
    share = cdf(query, torch.arange(5))
    torch.testing.assert_close(share[:2], torch.tensor([0.95, 0.5]), atol=1e-2, rtol=0)
    assert share[2] == share[3] == share[4] and 0.5 < share[2] < 0.6  # the three rarest share a distribution
    alone = ClassCDF(2).fit(scores[:909], labels[:909])  # nine boxes of the second class
    assert alone(torch.tensor([9.0, 9.0]), torch.tensor([0, 1])).tolist() == [1, 0.5]


@pytest.mark.parametrize('name', ['Mahalanobis', 'RMD'])
@pytest.mark.parametrize('offset', [0.0, 100.0])
def test_few_boxes_leave_no_direction_of_rounding(name, offset):
    """With fewer boxes than features the distance is that within the span of the centred boxes, computed in double."""
    generator = torch.Generator().manual_seed(0)
    labels, width = torch.arange(30) % 3, 64
    boxes, query = (torch.randn(n, width, generator=generator) + offset for n in (30, 50))
    scorer = SCORERS.build(dict(type=name, classes=3, width=width, shrinkage=0.0)).fit(
        boxes, torch.zeros(30, 3), labels
    )
    found = scorer(query, torch.zeros(50, 3)).numpy()
    x, q = boxes.double().numpy(), query.double().numpy()
    means = np.stack([x[labels == k].mean(0) for k in range(3)])

    def distances(centred, offsets):
        values, vectors = np.linalg.svd(centred / len(centred) ** 0.5)[1:]
        rank = (values > 1e-3).sum()
        return ((offsets @ vectors[:rank].T / values[:rank]) ** 2).sum(-1)

    want = distances(x - means[labels], q[:, None] - means).min(1)
    if name == 'RMD':
        want -= distances(x - x.mean(0), q - x.mean(0))
    np.testing.assert_allclose(found, want, rtol=2e-3, atol=2e-3 * np.abs(want).max())


@pytest.mark.parametrize('name', ['Mahalanobis', 'RMD'])
def test_a_feature_that_only_rounds_is_no_direction(name):
    """What spreads by the rounding of float32 has no distance, whatever the number of boxes."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 2
    boxes, query = (torch.randn(n, 8, generator=generator) for n in (200, 50))
    for features in (boxes, query):
        features[:, 7] = torch.nextafter(torch.ones(len(features)), 2 * (features[:, 0] > 0).float())
    without = SCORERS.build(dict(type=name, classes=2, width=7, shrinkage=0.0)).fit(
        boxes[:, :7], torch.zeros(200, 2), labels
    )
    scorer = SCORERS.build(dict(type=name, classes=2, width=8, shrinkage=0.0)).fit(boxes, torch.zeros(200, 2), labels)
    torch.testing.assert_close(scorer(query, None), without(query[:, :7], None), rtol=1e-3, atol=1e-3)
