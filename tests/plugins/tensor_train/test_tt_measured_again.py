"""Ranks in two stages: the second measurement is of the model that the first has cut, and nothing grows back."""

import copy

import pytest
import torch
from torch import nn

from detplug.errors import UserError
from plugins.tensor_train.compress import Compression
from plugins.tensor_train.compressed import replace_layers
from plugins.tensor_train.measured_again import check_measures, ranks_measured_again
from plugins.tensor_train.ranks import CalibrationData, SensitivityRanks

SHARES = {'params': 0.4}


class Pipeline(nn.Module):
    """Two convolutions one after another, a loud bypass, and the neck that sees both."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(6, 24, 3, padding=1, bias=False)
        self.second = nn.Conv2d(24, 24, 3, padding=1, bias=False)
        self.bypass = nn.Conv2d(6, 24, 3, padding=1, bias=False)
        self.neck = nn.Conv2d(48, 12, 1, bias=False)

    def forward(self, images):
        maps = torch.cat([self.second(self.first(images).relu()), self.bypass(images)], 1)
        return [self.neck(maps)]


@pytest.fixture
def work() -> Compression:
    net = Pipeline().eval()
    torch.manual_seed(1)
    data = CalibrationData(net, [torch.randn(4, 6, 12, 12)], torch.zeros(0), torch.zeros(0))
    return Compression(net, data, modules='')


def test_the_second_measurement_is_of_the_model_that_the_first_has_cut(work):
    _, scores = ranks_measured_again(work, 'sensitivity', SHARES)
    halfway = work.ranks('sensitivity', 0.7)
    cut = copy.deepcopy(work.model)
    for name, chain in work.build(halfway).named_modules():
        if name in halfway:
            getattr(cut, name).weight.data.copy_(chain.weight)
    data = CalibrationData(cut, work.data.images, torch.zeros(0), torch.zeros(0))
    expected = SensitivityRanks().scores(cut, work.layers, data)
    first = work.scores('sensitivity')
    for name, own in scores.items():
        assert own.weight == pytest.approx(expected[name].weight, rel=1e-3)
        assert own.curve.losses.tolist() == pytest.approx(expected[name].curve.losses.tolist(), rel=1e-2, abs=1e-6)
    assert any(own.weight != pytest.approx(first[name].weight, rel=0.05) for name, own in scores.items())


def test_the_budget_is_kept_and_no_rank_grows_back(work):
    halfway, (ranks, _) = work.ranks('sensitivity', 0.7), ranks_measured_again(work, 'sensitivity', SHARES)
    cost = work.cost('params')
    assert 0.35 * cost({}) < cost(ranks) <= 0.4 * cost({})
    assert halfway.keys() <= ranks.keys()
    assert all(own <= most for name in halfway for own, most in zip(ranks[name], halfway[name], strict=True))
    assert ranks != work.ranks('sensitivity', SHARES)


def test_chains_that_a_model_has_grow_neither(work):
    start = {'second': (10, 12), 'bypass': (4, 20)}
    again = Compression(replace_layers(copy.deepcopy(work.model), start), work.data, modules='')
    again.data = CalibrationData(again.model, work.data.images, torch.zeros(0), torch.zeros(0))
    ranks, _ = ranks_measured_again(again, 'sensitivity', {'params': 0.6})
    cost = again.cost('params')
    assert cost(ranks) <= 0.6 * cost(start)
    assert all(rank <= most for name in start for rank, most in zip(ranks[name], start[name], strict=True))


def test_the_model_is_as_it_was(work):
    before = copy.deepcopy(work.model.state_dict())
    ranks_measured_again(work, 'sensitivity', SHARES)
    assert all(torch.equal(own, before[name]) for name, own in work.model.state_dict().items())


def test_a_budget_that_cannot_be_reached_is_named_as_it_was_given(work):
    with pytest.raises(UserError, match=r'--budget 0.001: the smallest'):
        ranks_measured_again(work, 'sensitivity', {'params': 0.001})


@pytest.mark.parametrize('selector', ['uniform', 'water_filling', 'own/ranks.csv'])
def test_a_selection_that_measures_no_cut_is_refused(selector):
    with pytest.raises(UserError, match=f'--measure-again: --ranks {selector} .*sensitivity or imprinted_sensitivity'):
        check_measures(selector)


def test_both_that_measure_are_taken():
    check_measures('sensitivity')
    check_measures('imprinted_sensitivity')
