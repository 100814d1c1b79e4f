"""Rivals of the chains: EVBMF finds a planted rank, slices are every n-th channel, a pruned one is rebuilt."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'benchmarks'))

import tt_rivals  # noqa: E402
from evbmf import evbmf_rank  # noqa: E402
from larger import widened  # noqa: E402
from mmdet.registry import MODELS  # noqa: E402
from narrow import OfShapes, sliced, widest, width_options  # noqa: E402
from tt_baselines import DATA, FINALISTS, METHODS, UNTRAINED, queue  # noqa: E402
from tt_rivals import Raw, prune  # noqa: E402

import plugins.yolov5.register  # noqa: F401, E402

CHANNELS = [32, 64, 128]
MODEL = dict(
    type='SingleStageDetector',
    data_preprocessor=dict(type='DetDataPreprocessor'),
    backbone=dict(type='YOLOv5Backbone', depth=0.33, width=0.125),
    neck=dict(type='YOLOv5Neck', depth=0.33, in_channels=CHANNELS),
    bbox_head=dict(type='YOLOv5Head', num_classes=2, in_channels=CHANNELS),
)


@pytest.mark.parametrize('rank', [0, 1, 5])
def test_evbmf_keeps_the_planted_directions_and_none_of_the_noise(rank):
    generator = np.random.default_rng(rank)
    left, right = generator.normal(size=(40, rank)), generator.normal(size=(rank, 120))
    matrix = left @ right + 0.3 * generator.normal(size=(40, 120))
    assert evbmf_rank(np.linalg.svd(matrix, compute_uv=False), 120) == rank


def test_slices_of_the_same_width_are_the_detector_and_of_half_are_every_second_channel():
    torch.manual_seed(0)
    wide = torch.randn(8, 6, 3, 3)
    half = {'conv.weight': torch.zeros(4, 3, 3, 3), 'bn.bias': torch.zeros(4), 'count': torch.tensor(0)}
    state = {'conv.weight': wide, 'bn.bias': torch.arange(8.0), 'count': torch.tensor(7)}
    found = sliced(state, half)
    torch.testing.assert_close(found['conv.weight'], 2 * wide[::2, ::2])
    assert found['bn.bias'].tolist() == [0, 2, 4, 6] and found['count'] == 7
    assert all(torch.equal(own, state[name]) for name, own in sliced(state, state).items())


def test_a_widened_detector_computes_the_same_and_its_halves_learn_different_things():
    torch.manual_seed(0)
    channels = [2 * count for count in CHANNELS]
    parts = {key: MODEL[key] | dict(in_channels=channels) for key in ('neck', 'bbox_head')}
    wide = MODELS.build(MODEL | parts | dict(backbone=MODEL['backbone'] | dict(width=0.25))).eval()
    narrow = MODELS.build(MODEL).eval()
    for norm in (x for x in narrow.modules() if isinstance(x, torch.nn.BatchNorm2d)):
        norm.running_mean.normal_(), norm.running_var.uniform_(0.5, 2), torch.nn.init.normal_(norm.weight)
    wide.load_state_dict(widened(narrow.state_dict(), wide.state_dict()))
    images = torch.rand(2, 3, 64, 64)
    for own, other in zip(Raw(wide)(images), Raw(narrow)(images), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-3, atol=1e-4)
    Raw(wide)(images)[0].square().sum().backward()
    gradient = wide.backbone.stage2[0].conv.weight.grad
    assert not torch.allclose(gradient[::2], gradient[1::2], rtol=1e-2)


def test_the_widest_that_fits():
    assert widest(lambda width: width <= 0.14) == 17 / 128
    assert width_options(0.125)[1] == 'model.neck.in_channels=[32,64,128]'
    with pytest.raises(ValueError, match='no width is so small'):
        widest(lambda width: False)


@pytest.mark.parametrize('together', [True, False])
def test_a_pruned_detector_is_rebuilt_from_its_checkpoint(tmp_path, together):
    tool = pytest.importorskip('torch_pruning', reason='pip install --no-deps -r requirements/benchmarks.txt')
    model = MODELS.build(MODEL).eval()
    count = sum(x.numel() for x in model.parameters())
    prune(model, tool, lambda own: sum(x.numel() for x in own.parameters()) <= 0.5 * count, together)
    assert sum(x.numel() for x in model.parameters()) <= 0.5 * count
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'pruned.pth')
    again = OfShapes(MODEL['type'], str(tmp_path / 'pruned.pth'), **{k: v for k, v in MODEL.items() if k != 'type'})
    again.load_state_dict(model.state_dict())
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for own, other in zip(Raw(model)(images), Raw(again.eval())(images), strict=True):
            torch.testing.assert_close(own, other)


def test_the_queue_has_every_run_once_and_the_first_ratio_with_every_method_first():
    runs = list(queue())
    assert len(runs) == len(set(runs))
    assert {method for *_, method, _ in runs[: len(METHODS)]} == set(METHODS)
    assert {run[2] for run in runs[len(METHODS) :]} == set(FINALISTS)
    assert {run[0] for run in runs} == set(DATA)


def test_the_detector_of_every_data_set_is_a_config():
    root = Path(__file__).resolve().parents[2]
    assert all((root / 'configs' / 'yolov5' / f'{name}.py').is_file() for name in DATA.values())


@pytest.mark.parametrize(
    ('selection', 'ranks'),
    [('measured_again', ['sensitivity', '--measure-again']), ('joint', ['sensitivity']), ('lwiq', ['lwiq'])],
)
def test_what_chains_are_asked_for(monkeypatch, selection, ranks):
    asked = []
    monkeypatch.setattr(tt_rivals, 'run_tool', lambda *words: asked.extend(words))
    tt_rivals.compress_chains(selection, 0.25, ('config.py', Path('best.pth')), Path('start'))
    place = asked.index('--ranks') + 1
    assert asked[place : asked.index('--out')] == ranks
    assert asked[asked.index('--budget') + 1] == ('params=0.25,macs=0.5' if selection == 'joint' else '0.25')


def test_of_the_untrained_the_dense_detector_comes_first():
    runs = [run[1:3] for run in queue() if run[0] == UNTRAINED]
    assert runs[0] == ('1x', 'dense') and len(runs) == 1 + 2 * (len(FINALISTS) - 1)
