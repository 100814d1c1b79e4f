"""Freed memory stays in the process; channels innermost changes how tensors lie and nothing else."""

import subprocess
import sys

import mmcv._ext
import pytest
import torch
from mmcv.ops import RoIAlign
from torch import nn

from detplug.engine.memory import channels_last

PROGRAM = """
import resource, sys
import torch
from detplug.engine.memory import keep_freed_memory
if sys.argv[1] == 'keep':
    assert keep_freed_memory()
for _ in range(8):  # the free blocks must first grow to fit
    torch.ones(2**24)  # 64 MB, above glibc's largest threshold
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='mallopt is of the GNU C library on Linux')
def test_large_blocks_are_reused():
    faults = {
        word: int(
            subprocess.run((sys.executable, '-c', PROGRAM, word), capture_output=True, text=True, check=True).stdout
        )
        for word in ('keep', 'default')
    }
    assert faults['keep'] < faults['default'] / 2


def test_channels_last_changes_no_value():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.ConvTranspose2d(8, 4, 2, 2))
    model.register_parameter('five', nn.Parameter(torch.zeros(1, 2, 3, 4, 5)))  # no format of its own
    images = torch.rand(2, 3, 9, 9)
    before, weights = model(images), {name: x.clone() for name, x in model.state_dict().items()}
    channels_last(model)
    after = model(images)
    assert after.is_contiguous(memory_format=torch.channels_last) and not after.is_contiguous()
    assert torch.allclose(after, before, atol=1e-6)
    assert all(torch.equal(x, weights[name]) for name, x in model.state_dict().items())


def test_operators_of_mmcv_read_the_same_pixels():
    torch.manual_seed(0)
    conv, align = nn.Conv2d(3, 8, 3, padding=1), RoIAlign(5, 0.5, sampling_ratio=2)
    model, images = nn.ModuleList([conv, align]), torch.rand(2, 3, 20, 20)
    boxes = torch.tensor([[0.0, 4, 2, 30, 20], [1, 0, 0, 12, 36]])

    def pooled_and_gradient():
        pooled = align(conv(images), boxes)
        return pooled, *torch.autograd.grad(pooled.square().sum(), conv.weight)

    before = pooled_and_gradient()
    channels_last(model)
    innermost = mmcv._ext.__file__.endswith('.py')  # the compiled operators read memory in order: their model stays
    assert conv(images).is_contiguous(memory_format=torch.channels_last if innermost else torch.contiguous_format)
    for found, expected in zip(pooled_and_gradient(), before, strict=True):
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_model_of_compiled_operators_stays_as_it_is(monkeypatch):
    model = nn.ModuleList([nn.Conv2d(3, 8, 3), RoIAlign(5, 0.5)])
    monkeypatch.setattr(mmcv._ext, '__file__', 'mmcv/_ext.cpython-311-x86_64-linux-gnu.so')
    channels_last(model)
    assert model[0].weight.is_contiguous()
    monkeypatch.setattr(mmcv._ext, '__file__', 'mmcv/_ext.py')
    channels_last(model)
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
