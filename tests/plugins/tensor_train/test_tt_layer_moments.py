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


@pytest.mark.parametrize(
    'place',
    [
        dict(kernel_size=3, padding=1),
        dict(kernel_size=3, padding=1, stride=2),
        dict(kernel_size=(2, 5), padding=(1, 0), dilation=(2, 1)),
        dict(kernel_size=(4, 3), padding='same'),
        dict(kernel_size=3, padding='valid'),
    ],
    ids=str,
)
def test_a_moment_of_patches_says_what_any_kernel_puts_out(place):
    """Padding, stride and dilation included: the mean square of a convolution is its kernel in that moment."""
    torch.manual_seed(0)
    conv, batches = nn.Conv2d(3, 4, **place), [torch.randn(2, 3, 9, 8), torch.randn(1, 3, 7, 7)]
    patch = layer_moments(nn.Sequential(conv), conv, batches, ['0'])['0'].patch
    assert patch.dtype == torch.float64 and not patch.requires_grad
    nn.init.normal_(conv.weight)
    with torch.no_grad():
        points = torch.cat([(conv(x) - conv.bias[:, None, None]).transpose(0, 1).flatten(1) for x in batches], 1)
    kernel = conv.weight.detach().double().flatten(1)
    torch.testing.assert_close((kernel @ patch @ kernel.T).float(), points @ points.T / points.shape[1])


def test_no_moment_of_patches_of_1x1_and_of_the_largest_layers(net, monkeypatch):
    batch = [torch.rand(1, 3, 8, 8)]
    assert [own.patch is None for own in layer_moments(net, net, batch, ['0', '2']).values()] == [False, True]
    monkeypatch.setattr(module, 'LARGEST', 26)
    assert layer_moments(net, net, batch, ['0'])['0'].patch is None


def test_patches_are_drawn_by_a_seed_and_change_no_other_draw(net, monkeypatch):
    batch = torch.randn(2, 3, 16, 16)
    monkeypatch.setattr(module, 'POSITIONS', 10)
    before = layer_moments(net, net, [batch], ['0', '2'])
    monkeypatch.setattr(module, 'PATCHES', 10)
    once, again, other = (layer_moments(net, net, [batch], ['0', '2'], seed) for seed in (0, 0, 1))
    assert torch.equal(once['0'].patch, again['0'].patch) and not torch.allclose(once['0'].patch, other['0'].patch)
    assert not torch.allclose(once['0'].patch, before['0'].patch)
    assert module.patches(net[0], batch, (8, 8), 4, torch.Generator()).shape == (27, 4)
    assert torch.equal(once['2'].input, before['2'].input)


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
