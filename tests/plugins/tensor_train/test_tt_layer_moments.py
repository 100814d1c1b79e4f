"""Second moments of what flows, against loops over images and positions."""

import pytest
import torch
from torch import nn

from detplug.errors import UserError
from plugins.tensor_train import layer_moments as module
from plugins.tensor_train.layer_moments import layer_moments


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(4, 5, 1)).eval()


def brute(maps: list[torch.Tensor]) -> torch.Tensor:
    """Mean of x x^T, one position after another."""
    points = [m[n, :, y, x].double() for m in maps for n in range(m.shape[0])
              for y in range(m.shape[2]) for x in range(m.shape[3])]  # fmt: skip
    return sum(torch.outer(p, p) for p in points) / len(points)


def test_moments_are_means_over_images_and_positions(net):
    batches = [torch.randn(2, 3, 7, 6), torch.randn(1, 3, 8, 8)]
    found = layer_moments(net, net, batches, ['0', '2'])
    with torch.no_grad():
        hidden = [net[0](x) for x in batches]
        no_bias = [x - net[0].bias[:, None, None] for x in hidden]
        last = [net[2](x.relu()) - net[2].bias[:, None, None] for x in hidden]
    torch.testing.assert_close(found['0'].input, brute(batches))
    torch.testing.assert_close(found['0'].output, brute(no_bias))
    torch.testing.assert_close(found['2'].input, brute([x.relu() for x in hidden]))
    torch.testing.assert_close(found['2'].output, brute(last))
    assert found['0'].input.dtype == torch.float64 and not found['0'].output.requires_grad


def test_both_calls_of_a_shared_layer_count():
    conv, batch = nn.Conv2d(2, 2, 1, bias=False), torch.randn(1, 2, 4, 4)
    found = layer_moments(nn.Sequential(conv), lambda x: (conv(x), conv(x[..., :1])), [batch], ['0'])
    torch.testing.assert_close(found['0'].input, brute([batch, batch[..., :1]]))


def test_positions_are_drawn_by_the_seed(net, monkeypatch):
    monkeypatch.setattr(module, 'POSITIONS', 10)
    batch = torch.randn(2, 3, 16, 16)
    once, again, other = (layer_moments(net, net, [batch], ['0'], seed)['0'].input for seed in (0, 0, 1))
    assert torch.equal(once, again) and not torch.allclose(once, other)
    assert not torch.allclose(once, brute([batch]))


def test_a_drawn_moment_is_a_mean(net, monkeypatch):
    monkeypatch.setattr(module, 'POSITIONS', 10)
    colour = torch.tensor([1.0, -2.0, 3.0])
    found = layer_moments(net, net, [colour[None, :, None, None].expand(2, 3, 16, 16)] * 3, ['0'])['0'].input
    torch.testing.assert_close(found, torch.outer(colour, colour).double())


@pytest.mark.parametrize('batches, names', [([], ['0']), ([torch.rand(1, 3, 8, 8)], ['0', 'idle'])])
def test_no_image_is_one_line(net, batches, names):
    net.add_module('idle', nn.Conv2d(1, 1, 1))
    with pytest.raises(UserError, match=f'calibration: images: none reaches {names[-1]}; give more images'):
        layer_moments(net, net[:3], batches, names)


def test_hooks_are_gone(net):
    layer_moments(net, net, [torch.rand(1, 3, 8, 8)], ['0'])
    with pytest.raises(RuntimeError):
        layer_moments(net, net, [torch.rand(1, 9, 8, 8)], ['0'])
    assert not any(x._forward_hooks for x in net.modules())
