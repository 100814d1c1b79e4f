"""What the options of the relation head do, each against a head without it."""

import pytest
import torch
from sabra_detector_cases import BOX, PREDICATES, USUAL, model, sample

from detplug.errors import UserError

DOUBTFUL = dict(USUAL, scores=[0.9, 0.3, 0.2, 0.6])
ALL = dict(type='AllPairsSampler')


def losses(case, count=1, **head):
    """Losses of ``count`` equal images, of seeded weights, with every pair and without anything random."""
    net = model(**(dict(sampler=ALL, dropout=0.0, mask_weight=0.0) | head)).train()
    return net.loss([torch.zeros(0)] * count, [sample(**case) for _ in range(count)])


def scores_of(case, **head):
    """(P, C) scores of all pairs of one image, and the pairs."""
    net = model(**head).eval()
    relations = net.predict([torch.zeros(0)], [sample(**case)])[0].pred_relations
    table = torch.zeros(4, 4, PREDICATES)
    table[tuple(torch.tensor(relations.triplets).T)] = torch.tensor(relations.triplet_scores)
    return table


@pytest.mark.parametrize('intransitive', [False, True])
def test_the_prior_is_in_the_loss_unless_it_is_taken_out(intransitive):
    names = ['loss_predicate', 'loss_intransitive'] if intransitive else ['loss_predicate']
    for power, same in ((0.0, True), (1.0, False)):
        sure, doubtful = (losses(x, train_power=power, intransitive=intransitive) for x in (USUAL, DOUBTFUL))
        assert all(torch.isclose(sure[name], doubtful[name], rtol=1e-5).item() is same for name in names)


@pytest.mark.parametrize('focal', [dict(gamma=2.0), dict(alpha=0.25)])
def test_alpha_and_gamma_reach_every_focal_loss(focal):
    usual, changed = losses(USUAL, intransitive=True), losses(USUAL, intransitive=True, focal=focal)
    assert all(usual[name] != changed[name] for name in ('loss_predicate', 'loss_interactive', 'loss_intransitive'))


@pytest.mark.parametrize('focal', [dict(beta=1), dict(alpha=2), dict(gamma=-1)])
def test_other_numbers_of_the_focal_loss_are_refused(focal):
    with pytest.raises(UserError, match='give alpha from 0 to 1'):
        model(focal=focal)


def test_masks_are_drawn_of_so_many_pairs(monkeypatch):
    net, seen = model(sampler=ALL, mask_pairs=3).train(), []
    masks = net.relation_head.decoder.masks
    monkeypatch.setattr(net.relation_head.decoder, 'masks', lambda x: (seen.append(len(x)), masks(x))[1])
    net.loss([torch.zeros(0)], [sample(**USUAL)])
    assert seen == [3]


@pytest.mark.parametrize('count', [1, 16])
def test_a_batch_without_relations_does_not_outweigh_one_with_relations(count):
    """It was 22.5 of one image and 354 of sixteen, for 7.2 with relations."""
    many = dict(boxes=BOX * 4, labels=[0, 1, 2, 3] * 4)
    usual = losses(USUAL, count)
    empty = losses(many, count)
    for name in ('loss_interactive', 'loss_predicate'):
        assert 0 < empty[name] < 2 * usual[name]


def test_before_training_few_pairs_are_related():
    bias = model().relation_head.to_interactive.bias
    torch.testing.assert_close(bias.sigmoid(), torch.full_like(bias, 0.1))


def test_pairs_without_interaction_are_no_positives_of_interactiveness():
    nothing = dict(USUAL, relations=[(0, 1, 2), (0, 3, 2)])  # predicate 2: no interaction
    none = dict(USUAL, relations=[])
    assert losses(nothing, no_relation=[2])['loss_interactive'] == losses(none)['loss_interactive']
    assert losses(nothing)['loss_interactive'] != losses(none)['loss_interactive']
    plain, apart = scores_of(USUAL), scores_of(USUAL, no_relation=[2])
    kept = [p for p in range(PREDICATES) if p != 2]
    torch.testing.assert_close(plain[..., kept], apart[..., kept])
    assert (apart[..., 2] >= plain[..., 2]).all() and (apart[..., 2] > plain[..., 2]).any()


def test_exclusive_predicates_share_what_the_object_allows():
    net = model(exclusive=True, sampler=ALL, dropout=0.0, mask_weight=0.0)
    head = net.relation_head
    head.allowed[:] = False
    head.allowed[1, [1, 2]] = True
    head.allowed[3, 4] = True  # object classes 0 and 2 allow nothing
    net.train().loss([torch.zeros(0)], [sample(**USUAL)])['loss_predicate'].backward()
    gradient = head.to_predicates.bias.grad
    assert gradient.isfinite().all() and gradient[1] != 0 and gradient[2] != 0
    head.zero_grad()
    head.allowed[:] = torch.tensor([False, True, True, False, False])
    net.loss([torch.zeros(0)], [sample(**USUAL)])['loss_predicate'].backward()
    assert (head.to_predicates.bias.grad[[0, 3, 4]] == 0).all()


@pytest.mark.parametrize('score_inputs', [False, True])
def test_detection_scores_are_evidence_where_they_are_inputs(score_inputs):
    sure, doubtful = (scores_of(x, score_inputs=score_inputs, power=0.0) for x in (USUAL, DOUBTFUL))
    order = torch.tensor(DOUBTFUL['scores']).argsort(descending=True)
    sure = sure[order][:, order]  # boxes come back by score
    assert torch.allclose(sure, doubtful, atol=1e-6) is not score_inputs


def test_a_pair_that_was_drawn_twice_counts_twice():
    """12 pairs, 3 of them positive: 9, 18 and 27 draws of negatives add the same loss each time."""
    once = losses(USUAL, sampler=dict(type='UniformSampler', num_pairs=12, pos_fraction=0.25, replacement=True))
    every = losses(USUAL)
    torch.testing.assert_close(once['loss_interactive'], every['loss_interactive'])
    negatives = losses(USUAL, sampler=dict(type='UniformSampler', num_pairs=21, pos_fraction=0.15, replacement=True))
    twice = negatives['loss_interactive'] - every['loss_interactive']
    assert twice > 0
    thrice = losses(USUAL, sampler=dict(type='UniformSampler', num_pairs=30, pos_fraction=0.1, replacement=True))
    torch.testing.assert_close(thrice['loss_interactive'] - negatives['loss_interactive'], twice, rtol=1e-4, atol=1e-5)
