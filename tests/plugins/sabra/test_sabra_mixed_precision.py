"""Relation detectors of boxes and of pixels train in mixed precision, and pool where the boxes are."""

import pytest
import sabra_detector_cases as cases
import torch
from sabra_tiny_training import build, write_set

from detplug.engine.history import read_history
from plugins.sabra.visual import PairPooling


@pytest.mark.parametrize('pictures', [False, True], ids=['boxes', 'pixels'])
def test_two_steps(pictures, mixed_precision_steps):
    model = cases.pixels_model() if pictures else cases.model()
    model.init_weights()
    mixed_precision_steps(model, lambda: cases.batch([cases.sample(**cases.USUAL)] * 2, pictures))


def test_a_training_on_pictures(tmp_path):
    write_set(tmp_path)
    changes = dict(optim_wrapper__type='DetplugAmpOptimWrapper', optim_wrapper__dtype='bfloat16')
    build(tmp_path, **changes).train()
    rows = [row for row in read_history(tmp_path / 'work' / 'history.jsonl') if 'loss' in row]
    assert rows and all(row['loss'] is not None for row in rows)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_maps_of_16_bits_are_pooled_at_the_same_boxes(dtype):
    """A box at 601 px: bfloat16 knows 600 and 604."""
    pooling = PairPooling(channels=2, stride=8, dims=4, side=3)
    maps = torch.arange(2 * 8 * 100, dtype=torch.float32).remainder(97).view(1, 2, 8, 100) / 97
    boxes = torch.tensor([[601.0, 9, 661, 55]])
    wanted = pooling._pool([maps], torch.zeros(1, dtype=torch.int64), boxes)
    found = pooling._pool([maps.to(dtype)], torch.zeros(1, dtype=torch.int64), boxes)
    torch.testing.assert_close(found, wanted, atol=2 * torch.finfo(dtype).eps, rtol=0)
