"""Replay: the same outputs as a whole run of the changed model, and only what can have changed is computed."""

import pytest
import torch
from mmdet.registry import MODELS
from torch import nn

from detplug.cli.config import load_config
from plugins.tensor_train.calibration import runner_of
from plugins.tensor_train.distillation import maps_of
from plugins.tensor_train.ranks.sensitivity import other_kernel
from plugins.tensor_train.replay import record, replayed


class Steps(nn.Module):
    """Layers one after the other with a sum and an activation in place behind them; ``twice`` is called twice."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.SiLU(inplace=True))
        self.second, self.twice, self.last = (nn.Conv2d(6, 6, 3, padding=1) for _ in range(3))

    def forward(self, images):
        maps = self.first(images)
        maps += self.second(maps)  # changes the output of ``first``
        return self.last(torch.relu_(self.twice(self.twice(maps))))


def assert_replay_is_a_run(model: nn.Module, run, images: torch.Tensor, names: list[str]) -> None:
    modules = dict(model.named_modules())
    before, recording = record(model, lambda: run(images))
    for name in names:
        with other_kernel(modules[name], modules[name].weight * 0.5):
            wanted = maps_of(run(images))
            with replayed(recording, name):
                found = maps_of(run(images))
        assert all(torch.equal(own, want) for own, want in zip(found, wanted, strict=True)), name
        assert not all(torch.equal(own, was) for own, was in zip(found, maps_of(before), strict=True)), name


@torch.no_grad()
def test_a_replay_is_a_run_of_the_changed_model():
    model = Steps()
    names = [name for name, x in model.named_modules() if isinstance(x, nn.Conv2d)]
    assert_replay_is_a_run(model, model, torch.randn(2, 3, 8, 8), names)


@pytest.mark.parametrize(
    ('config', 'names'),
    [
        ('yolov5/yolov5n_bccd.py', ['backbone.stage2.0.conv', 'neck.reduce.0.conv', 'neck.merge_up.1.final_conv.conv']),
        (
            'tt_yolov5/faster-rcnn_tt-yolov5n_bccd.py',
            ['backbone.stage1.0.conv.cores.1', 'backbone.stage4.1.final_conv.conv.cores.0', 'neck.fpn_convs.0.conv'],
        ),
    ],
)
@torch.no_grad()
def test_a_replay_of_a_detector_is_a_run(config, names):
    torch.manual_seed(0)
    model = MODELS.build(load_config(f'configs/{config}').model).eval()
    assert_replay_is_a_run(model, runner_of(model), torch.randint(256, (1, 3, 96, 96), dtype=torch.uint8), names)


@torch.no_grad()
def test_only_what_the_layer_can_change_is_computed():
    model, images = Steps(), torch.randn(1, 3, 8, 8)
    _, recording = record(model, lambda: model(images))
    run = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            plain = module.forward
            module.forward = lambda x, name=name, plain=plain: (run.append(name), plain(x))[1]
    with replayed(recording, 'last'):
        model(images)
    assert run == ['twice', 'twice', 'last']
    run.clear()
    model(images)
    assert run == ['first.0', 'second', 'twice', 'twice', 'last']


@torch.no_grad()
def test_a_layer_that_did_not_run_changes_nothing():
    model, images = Steps(), torch.randn(1, 3, 8, 8)
    model.unused = nn.Conv2d(3, 3, 1)
    wanted, recording = record(model, lambda: model(images))
    with replayed(recording, 'unused'):
        assert torch.equal(model(images), wanted)


def test_the_model_is_as_it_was_after_an_error():
    model, images = Steps(), torch.randn(1, 3, 8, 8)
    _, recording = record(model, lambda: model(images))
    with pytest.raises(ZeroDivisionError), replayed(recording, 'last'):
        raise ZeroDivisionError
    assert not any('forward' in x.__dict__ or x._forward_hooks or x._forward_pre_hooks for x in model.modules())
