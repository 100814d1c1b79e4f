"""Law: the fused average equals mmdet's ExpMomentumEMA, also after its state was stored and loaded."""

import pytest
import torch
from mmdet.models.layers import ExpMomentumEMA
from torch import nn

from detplug.engine.foreach_ema import ForeachEMA


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1))


def train_a_little(model: nn.Module) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn_like(parameter)
        model.train()(torch.randn(2, 1, 5, 5))


@pytest.mark.parametrize('update_buffers', [True, False])
@pytest.mark.parametrize('interval', [1, 2])
def test_equals_the_loop(update_buffers, interval):
    torch.manual_seed(0)
    model = network()
    settings = dict(momentum=0.01, gamma=3, interval=interval, update_buffers=update_buffers)
    wanted, found = ExpMomentumEMA(model, **settings), ForeachEMA(model, **settings)
    for step in range(9):
        train_a_little(model)
        wanted.update_parameters(model)
        found.update_parameters(model)
        torch.testing.assert_close(dict(found.state_dict()), dict(wanted.state_dict()), rtol=0, atol=1e-6)
        if step == 4:
            state, found = found.state_dict(), ForeachEMA(network(), **settings)
            found.load_state_dict(state)
