"""Kinds and targets of relation proposals against loops, and the laws of sampling."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import bbox_overlaps

from plugins.sabra.image_boxes import ImageBoxes
from plugins.sabra.proposals import INVALID, Truth, label_proposals, predicate_targets, solo_targets
from plugins.sabra.sampling import balanced_weights, count_kinds
from plugins.sabra.sampling.weights import draw

CLASSES, PREDICATES = 2, 3


def random_case(seed: int):
    """Two images with few places, so that boxes match often; padded."""
    g = torch.Generator().manual_seed(seed)

    def some(most):
        corner = torch.randint(3, (2, most, 2), generator=g).float() * 12
        boxes = torch.cat([corner, corner + 20 + torch.randint(4, (2, most, 2), generator=g)], 2)
        labels = torch.randint(CLASSES, (2, most), generator=g)
        counts = torch.randint(most + 1, (2, 1), generator=g)
        valid = torch.arange(most) < counts
        return ImageBoxes(boxes, labels, torch.rand(2, most, generator=g), valid, torch.full((2, 2), 60.0))

    found, objects = some(6), some(4)
    rows = []
    for image in range(2):
        count = int(objects.valid[image].sum())
        for _ in range(int(torch.randint(4, (1,), generator=g)) if count else 0):
            subject, object_ = torch.randint(count, (2,), generator=g).tolist()
            alone = torch.rand(1, generator=g).item() < 0.3
            rows.append([image, subject, -1 if alone else object_, int(torch.randint(PREDICATES, (1,), generator=g))])
    relations = torch.tensor(rows, dtype=torch.int64).reshape(-1, 4)
    judged = torch.rand(2, 4, generator=g) < 0.8
    return found, Truth(objects, relations, judged)


def matches_of(found, truth, image, box, same_class):
    """Objects that a box matches."""
    out = set()
    for k in range(truth.objects.valid.shape[1]):
        if not (found.valid[image, box] and truth.objects.valid[image, k]):
            continue
        iou = bbox_overlaps(found.boxes[image, box][None], truth.objects.boxes[image, k][None])[0, 0]
        if iou >= 0.5 and (not same_class or found.labels[image, box] == truth.objects.labels[image, k]):
            out.add(k)
    return out


@pytest.mark.parametrize('same_class', [True, False])
@pytest.mark.parametrize('seed', range(30))
def test_kinds_and_targets_are_their_definitions(seed, same_class):
    found, truth = random_case(seed)
    subjects = found.labels == 0
    labels = label_proposals(found, truth, same_class=same_class, subjects=subjects)
    pairs = (labels.kinds != INVALID).nonzero()
    targets = predicate_targets(labels, truth, pairs, PREDICATES)
    solo = solo_targets(labels, truth, PREDICATES)
    rows = [row for row in truth.relations.tolist() if row[2] >= 0]
    at = {tuple(p): k for k, p in enumerate(pairs.tolist())}
    for image in range(2):
        related = {k for i, s, o, _ in rows if i == image for k in (s, o)}
        own = [matches_of(found, truth, image, k, same_class) for k in range(6)]
        for s in range(6):
            wanted = {p for i, a, o, p in truth.relations.tolist() if i == image and o == -1 and a in own[s]}
            assert set(solo[image, s].nonzero().flatten().tolist()) == wanted
            for o in range(6):
                kind = int(labels.kinds[image, s, o])
                judged = not own[s] or any(truth.judged[image, k] for k in own[s])
                if s == o or not (found.valid[image, s] and found.valid[image, o] and subjects[image, s] and judged):
                    assert kind == INVALID
                    continue
                right = {p for i, a, b, p in rows if i == image and a in own[s] and b in own[o]}
                if right:
                    wanted_kind = 0
                elif not own[s] and not own[o]:
                    wanted_kind = 1
                elif not own[o]:
                    wanted_kind = 2
                elif not own[s]:
                    wanted_kind = 3
                else:
                    wanted_kind = 4 if own[s] & related and own[o] & related else 5
                assert kind == wanted_kind
                assert set(targets[at[image, s, o]].nonzero().flatten().tolist()) == right


@given(st.lists(st.integers(-1, 5), max_size=200))
def test_every_kind_present_gets_an_equal_share(kinds):
    kind = torch.tensor(kinds, dtype=torch.int64)
    weights = balanced_weights(kind, count_kinds(kind))
    present = {k for k in kinds if k >= 1}
    for k in present:
        torch.testing.assert_close(weights[kind == k].sum(), torch.tensor(1 / len(present)))
    assert (weights[kind < 1] == 0).all()


@pytest.mark.parametrize('replacement', [True, False])
def test_draws_follow_the_weights(replacement):
    weights = torch.tensor([[0.0, 1.0, 3.0, 6.0]]).repeat(20000, 1)
    generator = torch.Generator().manual_seed(0)
    drawn = draw(weights, torch.ones(20000, dtype=torch.int64), replacement, generator)
    shares = torch.bincount(drawn[:, 1], minlength=4) / 20000
    torch.testing.assert_close(shares, torch.tensor([0.0, 0.1, 0.3, 0.6]), atol=0.012, rtol=0)  # 3.5 standard errors


@given(st.lists(st.lists(st.integers(0, 2), min_size=4, max_size=4), min_size=1, max_size=5), st.integers(0, 6))
def test_without_replacement_each_is_drawn_once_and_none_of_weight_zero(rows, number):
    weights = torch.tensor(rows, dtype=torch.float32)
    drawn = draw(weights, torch.full((len(rows),), number), False)
    assert len(set(map(tuple, drawn.tolist()))) == len(drawn)
    assert (weights[drawn[:, 0], drawn[:, 1]] > 0).all()
    got = torch.bincount(drawn[:, 0], minlength=len(rows))
    assert got.tolist() == [min(number, int((row > 0).sum())) for row in weights]


def sampler(name, **options):
    return TASK_UTILS.build(dict(type=name, num_pairs=20, pos_fraction=0.25, **options))


SAMPLERS = [
    ('UniformSampler', {}),
    ('HardNegativeSampler', {}),
    ('BalancedNegativeSampler', {}),
    ('BalancedNegativeSampler', dict(scope='batch')),
    ('BalancedNegativeSampler', dict(scope='running')),
    ('BalancedNegativeSampler', dict(replacement=True)),
]


@pytest.mark.parametrize(('name', 'options'), SAMPLERS)
def test_samplers_keep_their_quota(name, options):
    torch.manual_seed(0)
    kinds = torch.randint(-1, 6, (3, 200))
    chosen = sampler(name, **options)(kinds, torch.rand(3, 200))
    drawn = kinds[chosen[:, 0], chosen[:, 1]]
    assert (drawn >= 0).all()
    assert len(chosen) == 60
    assert torch.bincount(chosen[drawn == 0][:, 0], minlength=3).max() <= 5


@pytest.mark.parametrize(('name', 'options'), [*SAMPLERS, ('AllPairsSampler', {})])
@pytest.mark.parametrize('kinds', [torch.zeros(2, 0), torch.full((2, 5), -1), torch.zeros(2, 5)])
def test_samplers_take_what_is_there(name, options, kinds):
    chosen = sampler(name, **options)(kinds.long(), torch.zeros(kinds.shape))
    assert (kinds[chosen[:, 0], chosen[:, 1]] == 0).all()


def test_balance_reaches_the_rare_kind_that_uniform_sampling_misses():
    torch.manual_seed(0)
    kinds = torch.ones(1, 1000, dtype=torch.int64)
    kinds[0, :20] = 4
    counts = {}
    for name, options in (('UniformSampler', {}), ('BalancedNegativeSampler', {})):
        drawn = sampler(name, **options)
        for _ in range(50):
            drawn(kinds)
        counts[name] = drawn.take_counts()['drawn/n4'] / 1000
    assert counts['UniformSampler'] < 0.06
    assert counts['BalancedNegativeSampler'] > 0.35


def test_hard_negatives_are_those_of_the_largest_loss():
    kinds = torch.tensor([[1, 1, 0, 2, 3, -1]])
    losses = torch.tensor([[0.1, 0.5, 9.0, 0.4, 0.6, 9.0]])
    chosen = TASK_UTILS.build(dict(type='HardNegativeSampler', num_pairs=3, pos_fraction=0.4))(kinds, losses)
    assert chosen.tolist() == [[0, 2], [0, 4], [0, 1]]


def test_unknown_scope_is_refused():
    with pytest.raises(ValueError, match='scope'):
        sampler('BalancedNegativeSampler', scope='world')
