"""The relation head and detector: losses and predictions of usual and of degenerate batches."""

import pytest
import torch
from mmengine.structures import InstanceData

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from mmdet.registry import MODELS
    from mmdet.structures import DetDataSample

import plugins.sabra  # noqa: F401
from plugins.sabra.detector import list_relations
from plugins.sabra.relation_loss import focal_loss, log_chance

CLASSES, PREDICATES = 4, 5


def model(**head):
    torch.manual_seed(0)
    base = dict(
        type='RelationHead',
        predicates=PREDICATES,
        object_kinds=[0, 1, 1, 1],
        graph=dict(dims=16, heads=2, class_width=4),
        dims=16,
        class_width=4,
        sampler=dict(type='BalancedNegativeSampler', num_pairs=8, pos_fraction=0.5),
    )
    return MODELS.build(dict(type='RelationDetector', head=base | head))


def sample(boxes, labels, relations=(), scores=None, truth=None):
    """A sample whose proposals are ``boxes``; the truth is the same unless ``truth`` = (boxes, labels)."""
    boxes, labels = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), torch.tensor(labels, dtype=torch.int64)
    out = DetDataSample(metainfo=dict(img_shape=(100, 120), ori_shape=(100, 120), scale_factor=(1.0, 1.0)))
    scores = torch.ones(len(labels)) if scores is None else torch.tensor(scores)
    out.proposals = InstanceData(bboxes=boxes, labels=labels, scores=scores)
    if truth is not None:
        boxes = torch.tensor(truth[0], dtype=torch.float32).reshape(-1, 4)
        labels = torch.tensor(truth[1], dtype=torch.int64)
    out.gt_instances = InstanceData(bboxes=boxes, labels=labels, judged=torch.ones(len(labels), dtype=torch.bool))
    out.gt_relations = InstanceData(triplets=torch.tensor(relations, dtype=torch.int64).reshape(-1, 3))
    return out


BOX = [[10.0, 10, 40, 90], [30, 40, 80, 90], [5, 5, 20, 20], [60, 10, 110, 60]]
USUAL = dict(boxes=BOX, labels=[0, 1, 2, 3], relations=[(0, 1, 2), (0, 3, 4), (2, 0, 1)])
DEGENERATE = {
    'no box at all': dict(boxes=[], labels=[]),
    'one box': dict(boxes=BOX[:1], labels=[0]),
    'no relation': dict(boxes=BOX, labels=[0, 1, 2, 3]),
    'no person': dict(boxes=BOX, labels=[1, 1, 2, 3], relations=[(0, 1, 2)]),
    'all persons': dict(boxes=BOX, labels=[0] * 4, relations=[(0, 1, 2)]),
    'boxes of zero size': dict(boxes=[[5.0, 5, 5, 5], [0, 0, 0, 0], *BOX], labels=[0, 1, 0, 1, 2, 3]),
    'nothing was found': dict(boxes=[], labels=[], relations=[(0, 1, 2)], truth=(BOX, [0, 1, 2, 3])),
    'scores of zero': dict(boxes=BOX, labels=[0, 1, 2, 3], relations=[(0, 1, 2)], scores=[0.06, 0.06, 1e-8, 1.0]),
    'a box with itself': dict(boxes=BOX, labels=[0, 1, 2, 3], relations=[(1, 1, 0)]),
    '300 boxes': dict(boxes=BOX * 75, labels=[0, 1, 2, 3] * 75, relations=[(0, 1, 2)]),
}
HEADS = {
    'all may be subjects': {},
    'persons and missing objects': dict(subject_labels=[0], solo=True),
    'exclusive predicates': dict(exclusive=True),
    'no graph': dict(graph=dict(dims=16, heads=2, layers=0)),
    'no masks': dict(mask_weight=0.0),
    'no sampling': dict(sampler=dict(type='AllPairsSampler')),
    'hard negatives': dict(sampler=dict(type='HardNegativeSampler', num_pairs=8)),
}


def losses_of(net, samples):
    net.train()
    losses = net.loss([torch.zeros(0)] * len(samples), samples)
    total, _ = net.parse_losses(losses)
    return losses, total


@pytest.mark.parametrize('head', HEADS)
@pytest.mark.parametrize('case', [*DEGENERATE, 'all together'])
def test_degenerate_batches_train_and_predict(case, head):
    net = model(**HEADS[head])
    cases = [USUAL, *DEGENERATE.values()] if case == 'all together' else [DEGENERATE[case]]
    samples = [sample(**x) for x in cases]
    losses, total = losses_of(net, samples)
    assert all(value.isfinite().all() for value in losses.values())
    total.backward()
    assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)
    net.eval()
    for predicted in net.predict([torch.zeros(0)] * len(samples), samples):
        found = predicted.pred_relations
        assert len(found.triplets) == len(found.triplet_scores)
        assert ((found.triplet_scores > 0) & (found.triplet_scores <= 1)).all()
        assert (found.triplets[:, :2] < max(len(found.boxes), 1)).all()
        assert (found.triplets[:, 0] != found.triplets[:, 1]).all()
        assert ((found.triplets[:, 2] >= 0) & (found.triplets[:, 2] < PREDICATES)).all()


@pytest.mark.parametrize('head', HEADS)
def test_a_gradient_reaches_every_parameter(head):
    net = model(**HEADS[head])
    samples = [sample(**USUAL), sample(BOX, [0, 0, 1, 1], [(0, -1, 3), (1, 2, 1)])]
    losses_of(net, samples)[1].backward()
    idle = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    allowed = ('classes.weight', 'class.weight')  # rows of classes that are absent; the rest of the rows learn
    if head == 'no masks':
        allowed += ('spread.weight', 'spread.bias', *(name for name in idle if '.grow.' in name))
    assert not [name for name in idle if not name.endswith(allowed)]


@pytest.mark.parametrize('exclusive', [False, True])
def test_a_few_relations_are_learned_by_heart(exclusive):
    net = model(exclusive=exclusive, dropout=0.0)
    batch = [sample(**USUAL), sample(BOX[::-1], [0, 2, 1, 3], [(0, 1, 0), (3, 2, 3)])]
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(150):
        total = losses_of(net, batch)[1]
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    net.eval()
    for predicted, truth in zip(net.predict([torch.zeros(0)] * 2, batch), batch, strict=True):
        best = predicted.pred_relations.triplets[: len(truth.gt_relations)]
        order = predicted.pred_instances.scores.argsort(descending=True, stable=True)
        assert {tuple(x) for x in best.tolist()} == {tuple(x) for x in truth.gt_relations.triplets.tolist()}
        assert order.tolist() == list(range(4))


def test_predicates_that_an_object_does_not_allow_are_never_named():
    net = model().eval()
    net.relation_head.allowed[:] = False
    net.relation_head.allowed[1, 2] = True
    found = net.predict([torch.zeros(0)], [sample(**USUAL)])[0].pred_relations
    assert {(o, p) for _, o, p in found.triplets.tolist()} == {(1, 2)}
    assert losses_of(net, [sample(**USUAL)])[1].isfinite()


def test_only_subject_classes_are_subjects():
    found = model(subject_labels=[0]).eval().predict([torch.zeros(0)], [sample(**USUAL)])[0].pred_relations
    assert {s for s, _, _ in found.triplets.tolist()} == {0}


def test_the_number_of_relations_is_limited_to_the_best():
    scores = torch.tensor([[0.1, 0.9], [0.5, 0.0]])
    triplets, chances = list_relations(torch.tensor([[0, 1], [1, 0]]), scores, torch.tensor([[0.0, 0.7], [0, 0]]), 3)
    assert triplets.tolist() == [[0, 1, 1], [0, -1, 1], [1, 0, 0]]
    torch.testing.assert_close(chances, torch.tensor([0.9, 0.7, 0.5]))


def test_score_and_loss_are_their_formulas():
    predicate, interactive, prior = torch.randn(3, 2), torch.randn(3), torch.rand(3)
    p = predicate.sigmoid() * interactive.sigmoid()[:, None] * prior[:, None] ** 2.8
    log_p = log_chance(torch.nn.functional.logsigmoid(predicate), interactive, prior, 2.8)
    torch.testing.assert_close(log_p.exp(), p)
    targets = torch.tensor([[1.0, 0], [0, 1], [0, 0]])
    wanted = torch.where(targets > 0, -0.5 * (1 - p) ** 0.2 * p.log(), -0.5 * p**0.2 * (1 - p).log())
    torch.testing.assert_close(focal_loss(p.log(), targets), wanted, rtol=1e-4, atol=1e-6)
