"""Cost models: what a model counts by hand, budgets as a person types them, and kinds that nobody counts."""

import pytest
from mmengine.config import Config
from torch import nn

from detplug.compression.costs import ConvShape, CostRequest, cost_model, parse_budget, register_cost_model
from detplug.errors import UserError

MODEL = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, 1, 1, groups=4))
CONVS = {
    '0': [ConvShape(3, 8, (3, 3), (2, 2), (8, 8), (4, 4))],
    '2': [ConvShape(8, 8, (3, 3), (1, 1), (4, 4), (4, 4), groups=4)] * 2,  # it is called twice
}


@pytest.mark.parametrize(
    'kind, fixed, dense, less',
    [
        ('params', 8 + 16 + 144 + 8, 216, 24 + 80),
        ('bytes', 4 * (8 + 16 + 8) + 144, 216, 24 + 80),
        ('macs', 2 * 144 * 16, 216 * 16, 24 * 64 + 80 * 16),
    ],
)
def test_counts_by_hand(kind, fixed, dense, less):
    """A 3x3 layer from 3 to 8 channels with stride 2; in its place 1x1 to 8 at the size before, then 1x1 to 10."""
    model = cost_model(kind)(CostRequest(MODEL, Config(), 8, CONVS, ['0']))
    assert (model.fixed, model.dense) == (fixed, {'0': dense})
    other = [ConvShape(3, 8, (1, 1), (1, 1), (8, 8), (8, 8)), ConvShape(8, 10, (1, 1), (1, 1), (4, 4), (4, 4))]
    assert model.layer('0', [other]) == less and model.layer('0', []) == 0
    assert sum(x.numel() for x in MODEL.parameters()) == 8 + 16 + 144 + 8 + 216


@pytest.mark.parametrize(
    'text, found',
    [('0.25', 0.25), ('macs=0.5', {'macs': 0.5}), ('params=0.25,macs=0.5', {'params': 0.25, 'macs': 0.5})],
)
def test_budgets_as_they_are_typed(text, found):
    assert parse_budget(text) == found


@pytest.mark.parametrize('text', ['', 'half', 'params', 'params=', '0.5,0.5', 'macs=1,macs=1', '0.5,macs=1', '='])
def test_other_budgets_are_one_line(text):
    with pytest.raises(UserError, match='^--budget .*; write'):
        parse_budget(text)


def test_a_kind_that_nobody_counts_names_those_that_are():
    with pytest.raises(UserError, match='--budget-kind grams: no such kind; one of .*macs'):
        cost_model('grams')
    with pytest.raises(KeyError, match="'macs' is registered already"):
        register_cost_model('macs')(lambda request: None)
