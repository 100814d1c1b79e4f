"""Block Influence: by its formula, of the right modules; the blocks that change least go, and the config fits."""

import json
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from torch import nn

import plugins.yolov5.register  # noqa: F401
from detplug.cli import compress, test, train
from detplug.cli.run import run
from detplug.errors import UserError
from plugins.samples.parasites import generate
from plugins.tensor_train.block_influence import block_influences, without_blocks

ROOT = Path(__file__).resolve().parents[3]
CONFIG = str(ROOT / 'configs/yolov5/yolov5n_parasite-samples.py')
TINY = ['model.backbone.width=0.125', 'model.neck.in_channels=[32,64,128]', 'model.bbox_head.in_channels=[32,64,128]']


class Residual(nn.Module):
    """x + strength * (two convolutions of x)."""

    def __init__(self, strength: float):
        super().__init__()
        self.inside = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.Conv2d(6, 4, 1))
        self.strength = strength

    def forward(self, x):
        return x + self.strength * self.inside(x)


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    stem = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1))
    return nn.Sequential(stem, nn.Sequential(Residual(0.01), Residual(2.0)), nn.Conv2d(4, 4, 1)).eval()


def test_influence_is_one_less_the_mean_cosine_of_input_and_output(model):
    images = torch.rand(3, 3, 5, 5)
    found = block_influences(model, model, [images[:2], images[2:]])
    assert list(found) == ['1.0', '1.1']  # neither what is inside a sum nor a single convolution
    with torch.no_grad():
        x = model[0](images)
        for name, block in zip(found, model[1], strict=True):
            part = model.get_submodule(name)
            y = part(x)
            cosines = (x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1))
            assert found[name] == pytest.approx(1 - cosines.mean().item(), abs=1e-5)
            x = block(x)
    assert not any(x._forward_hooks for x in model.modules())


def test_a_block_that_hardly_changes_its_map_has_the_lowest_influence():
    torch.manual_seed(0)
    backbone = MODELS.build(dict(type='YOLOv5Backbone', depth=0.67, width=0.125)).eval()
    images = torch.rand(1, 3, 64, 64)
    found = block_influences(backbone, backbone, [images])
    assert found and all(
        backbone.get_submodule(name)(torch.rand(1, c, 4, 4)).shape[1] == c for name, c in widths(backbone, found)
    )
    name = list(found)[1]
    last = [x for x in backbone.get_submodule(name).modules() if isinstance(x, nn.BatchNorm2d)][-1]
    nn.init.zeros_(last.weight)
    changed = block_influences(backbone, backbone, [images])
    assert min(changed, key=changed.get) == name and changed[name] < 1e-5


def widths(backbone, names) -> list[tuple[str, int]]:
    convs = {
        name: next(x for x in backbone.get_submodule(name).modules() if isinstance(x, nn.Conv2d)) for name in names
    }
    return [(name, conv.in_channels) for name, conv in convs.items()]


def test_a_name_that_is_no_module_is_one_line(model):
    for name in ('nowhere', ''):
        with pytest.raises(UserError, match='blocks: .* is no module of Sequential; mend its name'):
            without_blocks(model, [name])


def test_the_written_detector_trains_beside_the_dense_one_and_evaluates(tmp_path, capsys):
    slides = generate(tmp_path / 'slides', counts=dict(train=4, val=2, test=2), size=128)
    options = ['--cfg-options', f'data_root={slides}', *TINY]
    assert run(train.main, [CONFIG, '--work-dir', str(tmp_path / 'dense'), '--smoke', *options]) == 0
    argv = [CONFIG, str(tmp_path / 'dense' / 'smoke' / 'best.pth'), '--method', 'block_influence', '--img-size', '64']
    argv += ['--images', '2', '--out', str(tmp_path / 'out')]
    assert run(compress.main, [*argv, '--budget', '0.9', *options]) == 0
    facts = json.loads((tmp_path / 'out' / 'manifest.json').read_text())
    influence = facts['influence']
    count = int(facts['blocks removed'].split()[0])
    assert 0 < count < len(influence) and facts['params after'] <= 0.9 * facts['params before']
    assert run(train.main, [str(tmp_path / 'out' / 'distill.py'), '--work-dir', str(tmp_path / 'run'), '--smoke']) == 0
    argv_test = [str(tmp_path / 'out' / 'config.py'), str(tmp_path / 'run' / 'smoke' / 'best.pth')]
    assert run(test.main, [*argv_test, '--work-dir', str(tmp_path)]) == 0
    for more, line in (
        (['--budget', '0.1'], 'blocks 0.'),
        (['--budget', '0.9', '--images', '0'], '--images 0: influence is measured on images; give at least 1'),
    ):
        capsys.readouterr()
        assert run(compress.main, [*argv, *more, *options]) == 2
        assert line in capsys.readouterr().err
    with pytest.raises(SystemExit):  # blocks have no ranks
        compress.main([*argv, '--budget', '0.9', '--ranks', 'uniform', *options])
    assert '--ranks: no such option' in capsys.readouterr().err
