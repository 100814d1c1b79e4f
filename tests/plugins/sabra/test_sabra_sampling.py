"""The laws of sampling: quotas, scopes, repeated draws, and that two samplers draw differently."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.registry import TASK_UTILS

import plugins.sabra.register  # noqa: F401
from detplug.engine.history import read_history
from detplug.errors import UserError
from plugins.sabra.hook import RelationHook
from plugins.sabra.sampling.counts import NAMES, negative_shares
from plugins.sabra.sampling.strata import count_strata, divide, rank_within, repeat, round_draws

BALANCED = 'BalancedNegativeSampler'
IN_IMAGES = dict(scope='image', replacement=False)
OPTIONS = [
    (name, dict(scope=scope, replacement=replacement))
    for name in ('UniformSampler', 'HardNegativeSampler', BALANCED)
    for scope in ('image', 'batch')
    for replacement in (False, True)
]
OPTIONS += [(BALANCED, dict(scope='running')), (BALANCED, dict(reading='proposals', scope='batch'))]


def sampler(name, num_pairs=20, **options):
    if options.get('reading') != 'proposals' and name != 'AllPairsSampler':
        options = dict(pos_fraction=0.25) | options
    return TASK_UTILS.build(dict(type=name, num_pairs=num_pairs, **options))


def kinds_of(*counts):
    """(1, P) kinds: so many positives, N1, ..., N5."""
    return torch.cat([torch.full((n,), kind) for kind, n in enumerate(counts)])[None]


def drawn(net, kinds, losses=None):
    """(6,) draws of each kind: positive, N1..N5."""
    index, weight = net(kinds, losses)
    at = kinds[index[:, 0], index[:, 1]]
    return torch.stack([weight[at == kind].sum() for kind in range(6)])


# -- the mathematics ---------------------------------------------------------------------------------------------------

counts_of_a_row = st.lists(st.integers(0, 30), min_size=1, max_size=6)


@settings(deadline=None)
@given(counts_of_a_row, st.integers(0, 200), st.booleans(), st.integers(0, 9))
def test_draws_are_divided_as_far_as_there_are_pairs(counts, total, replacement, seed):
    count = torch.tensor([counts], dtype=torch.float64)
    draws = divide(torch.tensor([total]), torch.ones_like(count), count, replacement)
    there = bool(count.sum())
    wanted = total * there if replacement else min(total, int(count.sum()))
    assert draws.sum().item() == pytest.approx(wanted)
    assert (draws[count == 0] == 0).all()
    if not replacement:
        assert (draws <= count).all()
        part = draws[(count > 0) & (draws < count - 1e-9)]  # what could give more got one and the same, the most
        assert (part.max() - part.min() < 1e-9 and part.max() >= draws.max() - 1e-9) if len(part) else True
    whole = round_draws(draws, torch.Generator().manual_seed(seed))
    assert ((whole - draws).abs() < 1).all() and whole.sum() == round(draws.sum().item())
    assert replacement or (whole <= count).all()


def test_rounding_keeps_the_mean():
    draws = torch.tensor([[0.3, 1.5, 0.0, 2.2]], dtype=torch.float64).repeat(20000, 1)
    whole = round_draws(draws, torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(whole.mean(0), draws[0], atol=0.015, rtol=0)  # about four standard errors
    assert (whole.sum(1) == 4).all()


@settings(deadline=None)
@given(st.lists(st.integers(-1, 2), min_size=1, max_size=30), st.lists(st.integers(0, 40), min_size=3, max_size=3))
def test_a_quota_goes_round_its_stratum(strata, quotas):
    rows = torch.tensor([strata])
    counts = count_strata(rows, 3)
    rank = rank_within(rows, torch.rand(rows.shape), counts)
    times = repeat(rows, torch.tensor([quotas]), counts, rank)[0]
    assert (times[rows[0] == -1] == 0).all()
    for stratum, quota in enumerate(quotas):
        mine = times[rows[0] == stratum]
        assert len(mine) == 0 or (mine.sum() == quota and mine.max() - mine.min() <= 1)
        assert sorted(rank[0][rows[0] == stratum].tolist()) == list(range(len(mine)))


# -- the samplers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(('name', 'options'), OPTIONS)
def test_samplers_draw_as_many_as_they_shall(name, options):
    torch.manual_seed(0)
    kinds = torch.randint(-1, 6, (3, 200))
    net = sampler(name, **options)
    got = drawn(net, kinds, torch.rand(3, 200))
    assert got.sum() == 60
    assert got[0] == (12 if options.get('reading') else 15)
    index, weight = net(kinds, torch.rand(3, 200))
    assert len(index.unique(dim=0)) == len(index) and (weight >= 1).all()
    assert (kinds[index[:, 0], index[:, 1]] >= 0).all()


@pytest.mark.parametrize(('name', 'options'), OPTIONS)
@pytest.mark.parametrize('kinds', [torch.zeros(0, 4), torch.zeros(2, 0), torch.full((2, 5), -1), torch.zeros(2, 5)])
def test_samplers_take_what_is_there(name, options, kinds):
    index, weight = sampler(name, **options)(kinds.long(), torch.zeros(kinds.shape))
    assert (kinds[index[:, 0], index[:, 1]] == 0).all() and len(index) == len(weight)


@pytest.mark.parametrize(('name', 'options'), OPTIONS)
def test_without_replacement_nothing_is_drawn_twice(name, options):
    kinds = kinds_of(3, 40, 2, 0, 1, 5)
    _, weight = sampler(name, num_pairs=64, **options)(kinds, torch.rand(kinds.shape))
    assert (weight.max() == 1) == (options.get('replacement') is False)


def test_a_rare_kind_is_reached_with_replacement_alone():
    """The case of the review: 984 N1, 8 N4, 8 positives, 64 draws."""
    kinds = kinds_of(8, 984, 0, 0, 8, 0)
    assert drawn(sampler(BALANCED, 64), kinds).tolist() == [8, 28, 0, 0, 28, 0]
    assert drawn(sampler(BALANCED, 64, **IN_IMAGES), kinds).tolist() == [8, 48, 0, 0, 8, 0]
    assert drawn(sampler('UniformSampler', 64), kinds)[4] < 6


def test_balance_and_uniform_sampling_draw_differently_for_the_same_number():
    """What an ablation compares: equal numbers of positives and negatives, other kinds."""
    torch.manual_seed(0)
    kinds = torch.cat([kinds_of(4, 30, 20, 30, 3, 20), kinds_of(2, 90, 0, 8, 1, 6)], 1).view(2, -1)
    shares = {}
    for name in ('UniformSampler', BALANCED):
        net = sampler(name, 16, scope='batch', replacement=True)
        total = sum(drawn(net, kinds) for _ in range(50))
        assert total[0] == 300 and total.sum() == 1600
        shares[name] = negative_shares(net.counts.take(), 'drawn')
    torch.testing.assert_close(shares[BALANCED], torch.full((5,), 0.2, dtype=torch.float64), atol=0.01, rtol=0)
    assert shares['UniformSampler'][3] < 0.05 and shares['UniformSampler'][0] > 0.5


def test_a_batch_shares_its_draws():
    kinds = torch.stack([kinds_of(0, 50)[0], torch.full((50,), 4)])
    assert drawn(sampler(BALANCED, 20), kinds).tolist() == [0, 20, 0, 0, 20, 0]
    index, weight = sampler(BALANCED, 20, kind_shares=(0, 0, 0, 1, 0))(kinds)
    assert set(index[:, 0].tolist()) == {1} and weight.sum() == 40


def test_five_classes_of_proposals_get_a_fifth_each():
    kinds = kinds_of(1, 300, 50, 50, 30, 20)
    got = drawn(sampler(BALANCED, 50, reading='proposals'), kinds)
    assert got[:4].tolist() == [10] * 4 and got[4:].sum() == 10
    vrd = drawn(sampler(BALANCED, 50, reading='proposals'), kinds_of(5, 300, 50, 50, 30, 0))
    assert vrd.tolist() == [10, 10, 10, 10, 10, 0]


@pytest.mark.parametrize('options', [dict(), dict(scope='image', replacement=False), dict(reading='proposals')])
def test_expected_weights_are_the_mean_of_the_draws(options):
    torch.manual_seed(0)
    kinds = kinds_of(3, 30, 9, 0, 2, 4)
    total = torch.zeros(kinds.shape)
    net = sampler(BALANCED, 16, **options)
    for _ in range(3000):
        index, weight = net(kinds)
        total[index[:, 0], index[:, 1]] += weight / 3000
    index, weight = sampler(BALANCED, 16, expected=True, **options)(kinds)
    mean = torch.zeros(kinds.shape)
    mean[index[:, 0], index[:, 1]] = weight
    torch.testing.assert_close(total, mean, atol=0.04, rtol=0)


def test_the_running_scope_balances_over_batches():
    """A batch that is rich in a kind draws more of it than one that is poor in it: N_c over the mean of N_c."""
    net = sampler(BALANCED, 40, scope='running', momentum=0.5, expected=True)
    poor, rich = kinds_of(0, 60, 0, 0, 4), kinds_of(0, 60, 0, 0, 36)
    assert drawn(net, poor)[4].item() == pytest.approx(20)
    assert drawn(net, rich)[4].item() == pytest.approx(40 * 1.8 / 2.8)  # 36 over a mean of 20
    assert drawn(net, poor)[4].item() == pytest.approx(40 / 4)  # 4 over a mean of 12


def test_hard_negatives_are_those_of_the_largest_loss():
    kinds = torch.tensor([[1, 1, 0, 2, 3, -1]])
    losses = torch.tensor([[0.1, 0.5, 9.0, 0.4, 0.6, 9.0]])
    net = TASK_UTILS.build(dict(type='HardNegativeSampler', num_pairs=3, pos_fraction=0.4))
    assert net(kinds, losses).index.tolist() == [[0, 1], [0, 2], [0, 4]]
    two = torch.cat([kinds, kinds]), torch.cat([losses, losses + 1])
    batch = TASK_UTILS.build(dict(type='HardNegativeSampler', num_pairs=2, pos_fraction=0.0, scope='batch'))
    assert batch(*two).index.tolist() == [[1, 0], [1, 1], [1, 3], [1, 4]]


def test_no_sampling_draws_every_pair_once():
    kinds = kinds_of(3, 4, 5, 0, 1, 2)
    index, weight = TASK_UTILS.build(dict(type='AllPairsSampler'))(kinds)
    assert len(index) == 15 and (weight == 1).all()


BAD = {
    'scope': (BALANCED, dict(scope='world')),
    'num_pairs': ('UniformSampler', dict(num_pairs=0)),
    'pos_fraction': ('UniformSampler', dict(pos_fraction=1.5)),
    'reading': (BALANCED, dict(reading='pairs')),
    'kind_shares': (BALANCED, dict(kind_shares=(1, 1))),
    'positives are one of five': (BALANCED, dict(reading='proposals', pos_fraction=0.5)),
    'the largest losses': ('HardNegativeSampler', dict(expected=True)),
}


@pytest.mark.parametrize('text', BAD)
def test_options_without_effect_or_sense_are_refused(text):
    name, options = BAD[text]
    with pytest.raises(UserError, match=text):
        TASK_UTILS.build(dict(type=name, **options))


# -- counts and advice -------------------------------------------------------------------------------------------------


def test_counts_are_what_was_there_and_what_was_drawn():
    net = sampler(BALANCED, 64)
    kinds = kinds_of(8, 984, 0, 0, 8, 0)
    net(kinds)
    net(kinds)
    figures = net.counts.take()
    assert [figures[f'available/{x}'] for x in NAMES] == [16, 1968, 0, 0, 16, 0]
    assert [figures[f'drawn/{x}'] for x in NAMES] == [16, 56, 0, 0, 56, 0]
    assert figures['scarce'] == 0 and not any(net.counts.take().values())


def test_a_sampler_that_changes_nothing_says_so():
    few = torch.stack([kinds_of(2, 3, 6, 6, 20)[0], kinds_of(2, 1, 6, 6, 22)[0]])
    idle = sampler(BALANCED, 64, **IN_IMAGES)
    idle(few)
    figures = idle.counts.take()
    assert figures['scarce'] == 1
    assert 'changes nothing' in idle.advice(figures) and 'replacement=True' in idle.advice(figures)
    acts = sampler(BALANCED, 64)
    acts(few)
    assert acts.advice(acts.counts.take()) == ''
    uniform = sampler('UniformSampler', 64)
    uniform(few)
    assert 'negatives were scarce' in uniform.advice(uniform.counts.take())
    chooses = sampler('UniformSampler', 8)
    chooses(few)
    assert chooses.advice(chooses.counts.take()) == ''


def test_the_log_the_warning_and_the_picture_of_a_training(tmp_path):
    few = torch.stack([kinds_of(2, 3, 6, 6, 20)[0], kinds_of(2, 1, 6, 6, 22)[0]])
    head, warnings = SimpleNamespace(sampler=sampler(BALANCED, 64, **IN_IMAGES)), []
    logger = SimpleNamespace(warning=warnings.append)
    model = SimpleNamespace(relation_head=head)
    data = SimpleNamespace(dataset=SimpleNamespace(metainfo={}))
    runner = SimpleNamespace(
        model=model, rank=0, work_dir=str(tmp_path), iter=0, logger=logger, train_dataloader=data, hooks=[]
    )
    hook = RelationHook(interval=2)
    hook.before_train(runner)
    for runner.iter in range(4):
        head.sampler(few)
        hook.after_train_iter(runner, 0)
    rows = read_history(tmp_path / 'relations.jsonl')
    assert [row['step'] for row in rows] == [2, 4] and rows[0]['available/n4'] == rows[0]['drawn/n4'] == 84
    assert len(warnings) == 1 and 'changes nothing' in warnings[0]
    ((heading, (note, picture)),) = hook.report_pictures(runner).items()
    assert heading == 'Sampled pairs' and note.startswith('BalancedNegativeSampler: this sampler changes nothing')
    assert picture.dtype.name == 'uint8' and picture.shape[2] == 3 and picture.std() > 10
    model.relation_head = SimpleNamespace()  # a head of one's own without sampler
    hook.after_train_iter(runner, 0)
    assert hook.report_pictures(runner) == {}
