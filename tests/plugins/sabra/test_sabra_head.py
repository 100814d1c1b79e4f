"""The relation head and detector: losses and predictions of usual and of degenerate batches."""

import pytest
import torch
from sabra_detector_cases import BOX, DEGENERATE, USUAL, assert_valid, model, sample

from plugins.sabra.detector import list_relations
from plugins.sabra.relation_loss import focal_loss, log_chance

HEADS = {
    'all may be subjects': {},
    'persons and missing objects': dict(subject_labels=[0], intransitive=True),
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
        assert_valid(predicted)


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
    relations = net.predict([torch.zeros(0)], [sample(**USUAL)])[0].pred_relations
    assert {(o, p) for _, o, p in relations.triplets.tolist()} == {(1, 2)}
    assert losses_of(net, [sample(**USUAL)])[1].isfinite()


def test_only_subject_classes_are_subjects():
    relations = model(subject_labels=[0]).eval().predict([torch.zeros(0)], [sample(**USUAL)])[0].pred_relations
    assert {s for s, _, _ in relations.triplets.tolist()} == {0}


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
