"""tools/compress.py on sample slides: what it writes trains, resumes, evaluates and exports like any other detector."""

import csv
import json
from pathlib import Path

import pytest
import torch
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import nn

from detplug.cli import compress, export, test, train
from detplug.cli.config import load_config
from detplug.cli.run import run
from detplug.compression.compressors import CompressRequest
from detplug.engine.checkpoint import load_file
from detplug.engine.converters import convert
from detplug.errors import UserError
from plugins import yolov5  # noqa: F401
from plugins.samples.parasites import generate
from plugins.tensor_train.calibration import runner_of
from plugins.tensor_train.compress import Compression
from plugins.tensor_train.compressed import replace_layers
from plugins.tensor_train.compressor import compress_detector
from plugins.tensor_train.ranks import CalibrationData
from plugins.tensor_train.ranks_file import read_ranks

ROOT = Path(__file__).resolve().parents[3]
CONFIG = str(ROOT / 'configs/yolov5/yolov5n_parasite-samples.py')
TINY = ['model.backbone.width=0.125', 'model.neck.in_channels=[32,64,128]', 'model.bbox_head.in_channels=[32,64,128]']


@pytest.fixture(scope='module')
def options(tmp_path_factory) -> list[str]:
    slides = generate(tmp_path_factory.mktemp('data') / 'slides', counts=dict(train=6, val=4, test=4), size=128)
    return ['--cfg-options', f'data_root={slides}', *TINY]


@pytest.fixture(scope='module')
def trained(options, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp('work') / 'dense'
    assert run(train.main, [CONFIG, '--work-dir', str(folder), '--smoke', *options]) == 0
    return str(folder / 'smoke' / 'best.pth')


def words(trained: str, out: Path, options: list[str], *more: str) -> list[str]:
    return [CONFIG, trained, '--budget', '0.5', '--img-size', '64', '--images', '4', '--out', str(out), *more, *options]


@pytest.fixture(scope='module')
def compressed(trained, options, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp('compressed') / 'half'
    assert run(compress.main, words(trained, out, options)) == 0
    return out


def test_the_budget_is_kept_and_all_files_are_there(compressed, trained):
    assert {x.name for x in compressed.iterdir()} >= {
        'compressed.pth', 'config.py', 'distill.py', 'ranks.csv', 'report.html', 'manifest.json'
    }  # fmt: skip
    facts = json.loads((compressed / 'manifest.json').read_text())
    dense, small = (load_file(path)['state_dict'] for path in (trained, compressed / 'compressed.pth'))
    learned = {name for name in dense if name.rpartition('.')[2] in ('weight', 'bias')}
    assert facts['params before'] == sum(dense[name].numel() for name in learned)
    assert facts['params after'] == sum(
        x.numel() for n, x in small.items() if n.rpartition('.')[2] in ('weight', 'bias')
    )
    assert 0.45 < facts['params after'] / facts['params before'] <= 0.5
    assert facts['macs after'] < facts['macs before']
    ranks = read_ranks(compressed / 'ranks.csv')
    assert ranks and all(f'{name}.cores.0.weight' in small for name in ranks)


def test_the_report_shows_what_the_default_selection_found(compressed):
    rows = list(csv.DictReader((compressed / 'ranks.csv').read_text().splitlines()))
    assert all(float(row['score']) >= 0 for row in rows) and max(float(row['score']) for row in rows) > 0
    assert 'Scores' in (compressed / 'report.html').read_text()


def test_measured_again_is_in_the_manifest_and_chooses_other_ranks(compressed, trained, options, tmp_path):
    assert run(compress.main, words(trained, tmp_path / 'again', options, '--measure-again')) == 0
    facts = json.loads((tmp_path / 'again' / 'manifest.json').read_text())
    assert facts['measure_again'] is True
    assert 'measure_again' not in json.loads((compressed / 'manifest.json').read_text())
    assert facts['params after'] <= 0.5 * facts['params before']
    assert read_ranks(tmp_path / 'again' / 'ranks.csv') != read_ranks(compressed / 'ranks.csv')


def test_a_file_of_ranks_takes_no_budget(compressed, trained, options, tmp_path, capsys):
    ranks, words = compressed / 'ranks.csv', ['--img-size', '64', '--images', '4', '--out', str(tmp_path / 'same')]
    assert run(compress.main, [CONFIG, trained, '--ranks', str(ranks), *words, *options]) == 0
    first, again = (load_file(x / 'compressed.pth')['state_dict'] for x in (compressed, tmp_path / 'same'))
    assert first.keys() == again.keys() and all(torch.equal(first[name], again[name]) for name in first)
    assert read_ranks(tmp_path / 'same' / 'ranks.csv') == read_ranks(ranks)
    capsys.readouterr()
    for line, problem in (('backbone.nothing,3', 'backbone.nothing'), ('backbone.stage0.0.conv,999 4', '999')):
        (tmp_path / 'own.csv').write_text(f'layer,ranks\n{line}\n')
        assert run(compress.main, [CONFIG, trained, '--ranks', str(tmp_path / 'own.csv'), *words, *options]) == 2
        assert problem in capsys.readouterr().err


@pytest.mark.parametrize('name', ['config', 'distill'])
def test_it_trains_resumes_and_evaluates(compressed, tmp_path, name):
    config, folder = str(compressed / f'{name}.py'), tmp_path / 'run'
    assert run(train.main, [config, '--work-dir', str(folder), '--smoke']) == 0
    folder = folder / 'smoke'
    first = load_file(folder / 'last.pth')['state_dict']
    assert not any(key.startswith(('student', 'teacher')) for key in first)
    more = ['--cfg-options', 'train_cfg.max_iters=3', 'train_cfg.val_interval=3', 'train_dataloader.batch_size=2']
    assert run(train.main, [config, '--work-dir', str(folder), '--resume', *more]) == 0
    assert (folder / 'iter_3.pth').exists()
    rows = [json.loads(line) for line in (folder / 'history.jsonl').read_text().splitlines()]
    assert any('loss_distill_neck' in row for row in rows) == (name == 'distill')
    argv = [config, str(folder / 'best.pth'), '--out', str(tmp_path / 'metrics.json'), '--work-dir', str(tmp_path)]
    assert run(test.main, argv) == 0
    assert 0 <= json.loads((tmp_path / 'metrics.json').read_text())['map'] <= 1


def test_admm_trains_the_dense_detector_towards_the_ranks(compressed, trained, options, tmp_path):
    config = tmp_path / 'admm.py'
    config.write_text(
        f"_base_ = '{CONFIG}'\n"
        "custom_imports = dict(imports=['plugins.yolov5.register', 'plugins.tensor_train.register'])\n"
        f"hook = dict(type='ADMMHook', ranks='{compressed / 'ranks.csv'}', interval=1)\n"
        'custom_hooks = [*_base_.custom_hooks, hook]\n'
        f"load_from = '{trained}'\n"
    )
    assert run(train.main, [str(config), '--work-dir', str(tmp_path / 'run'), '--smoke', *options]) == 0
    rows = [json.loads(line) for line in (tmp_path / 'run' / 'smoke' / 'history.jsonl').read_text().splitlines()]
    assert all(0 < row['admm_distance'] < 1 for row in rows if 'loss' in row)


def test_a_real_detector_exports_with_the_same_boxes(yolov5n_weights, real_data, tmp_path, monkeypatch):
    monkeypatch.setenv('DETPLUG_DATA', str(real_data('coco_tiny').parent))
    convert('yolov5', yolov5n_weights, tmp_path / 'yolov5n.pth')
    words = [str(ROOT / 'configs/yolov5/yolov5n_coco-tiny.py'), str(tmp_path / 'yolov5n.pth'), '--budget', '0.8']
    words += ['--ranks', 'water_filling', '--img-size', '320', '--images', '8', '--out', str(tmp_path / 'out')]
    assert run(compress.main, words) == 0
    argv = [str(tmp_path / 'out' / 'config.py'), str(tmp_path / 'out' / 'compressed.pth')]
    assert run(export.main, [*argv, '--img-size', '320', '--out', str(tmp_path / 'onnx')]) == 0
    errors = json.loads((tmp_path / 'onnx' / 'manifest.json').read_text())['errors']
    assert errors['boxes'] > 20 and errors['unmatched'] == 0


def test_folded_batch_norms_and_relu_give_a_config_that_fits(trained, options, tmp_path):
    argv = words(trained, tmp_path / 'out', options, '--fold-bn', '--relu', '--ranks', 'uniform')
    assert run(compress.main, argv) == 0
    model = Config.fromfile(tmp_path / 'out' / 'config.py').model
    assert model.fold_bn and model.relu
    state = load_file(tmp_path / 'out' / 'compressed.pth')['state_dict']
    assert not any('running_mean' in name for name in state)
    argv = [str(tmp_path / 'out' / 'config.py'), str(tmp_path / 'out' / 'compressed.pth'), '--work-dir', str(tmp_path)]
    assert run(test.main, argv) == 0


def test_a_compressed_detector_is_compressed_further(compressed, tmp_path):
    """What is left costs half of what it did; chains stay chains of at most their ranks; the dense teacher stays."""
    argv = [str(compressed / 'distill.py'), str(compressed / 'compressed.pth'), '--budget', '0.5', '--img-size', '64']
    assert run(compress.main, [*argv, '--images', '4', '--out', str(tmp_path / 'quarter')]) == 0
    facts, before = (json.loads((x / 'manifest.json').read_text()) for x in (tmp_path / 'quarter', compressed))
    assert facts['params before'] == before['params after'] and facts['macs before'] == before['macs after']
    assert 0.4 * facts['params before'] < facts['params after'] <= 0.5 * facts['params before']
    ranks, earlier = (read_ranks(x / 'ranks.csv') for x in (tmp_path / 'quarter', compressed))
    assert earlier.keys() <= ranks.keys()
    assert all(own <= most for name, least in earlier.items() for own, most in zip(ranks[name], least, strict=True))
    model = Config.fromfile(tmp_path / 'quarter' / 'config.py').model
    assert (model.type, model.of) == ('TTCompressed', 'SingleStageDetector')
    config = Config.fromfile(tmp_path / 'quarter' / 'distill.py')
    hooks = [hook for hook in config.custom_hooks if hook.type == 'DistillationHook']
    assert [hook.teacher.type for hook in hooks] == ['SingleStageDetector']
    argv = [str(tmp_path / 'quarter' / 'config.py'), str(tmp_path / 'quarter' / 'compressed.pth')]
    assert run(test.main, [*argv, '--work-dir', str(tmp_path)]) == 0


def test_chains_outside_the_layers_that_may_change_count_and_stay():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1)).eval()
    model = replace_layers(model, {'0': (2, 4), '1': (16, 16)})
    images = torch.rand(2, 3, 8, 8)
    data = CalibrationData(model, [images], images, torch.zeros(2, dtype=torch.int64))
    work = Compression(model, data, modules='^1$')
    work.data = CalibrationData(work.model, [images], images, torch.zeros(2, dtype=torch.int64))
    assert work.cost('params')(work.start) == sum(x.numel() for x in model.parameters())
    small = work.build(work.ranks('water_filling', 0.6))
    assert small[0].ranks == (2, 4) and small[1].ranks < (16, 16)
    assert torch.equal(small[0].weight, model[0].weight)
    assert sum(x.numel() for x in small.parameters()) <= 0.6 * sum(x.numel() for x in model.parameters())


def test_budgets_of_several_kinds_and_of_cycles(trained, options, tmp_path):
    argv = words(trained, tmp_path / 'both', options, '--ranks', 'water_filling', '--budget', 'params=0.6,macs=0.7')
    assert run(compress.main, argv) == 0
    facts = json.loads((tmp_path / 'both' / 'manifest.json').read_text())
    assert facts['params after'] <= 0.6 * facts['params before'] and facts['macs after'] <= 0.7 * facts['macs before']
    pytest.importorskip('brevitas', reason='brevitas is not installed: install the extra [fpga]')
    (tmp_path / 'config.py').write_text(f"_base_ = '{CONFIG}'\nfpga = dict(array=8)\n")
    argv = words(trained, tmp_path / 'cycles', [], '--ranks', 'water_filling', '--budget', '0.9')[1:]
    argv = [str(tmp_path / 'config.py'), *argv, '--budget-kind', 'cycles', *options]
    assert run(compress.main, argv) == 0
    facts = json.loads((tmp_path / 'cycles' / 'manifest.json').read_text())
    assert facts['cycles after'] <= 0.9 * facts['cycles before']


def test_batch_norms_that_share_a_convolution_are_not_folded():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.data_preprocessor = MODELS.build(dict(type='DetDataPreprocessor'))
            self.levels = nn.ModuleList(ConvModule(3, 8, 1, norm_cfg=dict(type='BN')) for _ in range(2))
            self.levels[1].conv = self.levels[0].conv
            for level in self.levels:
                level.bn.running_var.uniform_(2, 4)

        def forward(self, inputs, data_samples=None, mode='tensor'):
            return [level(inputs) for level in self.levels]

    model = Shared().eval()
    image = torch.randint(255, (1, 3, 8, 8), dtype=torch.uint8)
    data = CalibrationData(runner_of(model), [image], image, torch.zeros(1, dtype=torch.int64))
    with pytest.raises(UserError, match='--fold-bn: changes the outputs by .* of their norm.*leave it out'):
        Compression(model, data, modules='levels', fold_bn=True)
    del model.levels[1]
    work = Compression(model, data, modules='levels', fold_bn=True)
    with pytest.raises(UserError, match='--fold-bn: the detector has no batch norm'):
        Compression(work.model, data, modules='levels', fold_bn=True)


@pytest.mark.parametrize(
    ('more', 'line'),
    [
        (['--rank-multiple', '0'], '--rank-multiple 0: give at least 1'),
        (['--budget', '0.001'], '--budget 0.001: the smallest that this selection can reach is'),
        (['--budget', '2'], '--budget 2.0: the share that is kept'),
        (['--ranks', 'best'], '--ranks best: no such rank selector; one of'),
        (['--method', 'magic'], '--method magic: no such compressor'),
        (['--budget-kind', 'grams'], '--budget-kind grams: no such kind; one of'),
        (['--budget', 'params=0.5,macs'], "--budget params=0.5,macs: 'macs' is no number"),
        (['--budget', '0.5,macs=0.5'], '--budget 0.5,macs=0.5: a share without its kind'),
        (['--budget', 'macs=0.5,macs=0.4'], 'macs twice'),
        (['--budget', 'params=0.5,macs=0'], '--budget 0.0: the share that is kept'),
        (['--budget', 'params=0.5,macs=0.01'], '--budget 0.01: the smallest that this selection can reach is'),
        (['--budget', 'macs=0.5', '--budget-kind', 'macs'], '--budget macs=0.5 names its kinds; leave one out'),
        (['--measure-again', '--ranks', 'lwiq'], '--measure-again: --ranks lwiq does not measure what cuts change'),
        (['--threads', '2'], '--threads: counts for --budget-kind latency alone; leave it out'),
        (['--modules', '^nothing'], '--modules ^nothing: none of the'),
        (['--modules', '('], '--modules (: not a pattern'),
    ],
)
def test_wrong_requests_are_one_line(trained, options, tmp_path, capsys, more, line):
    argv = words(trained, tmp_path / 'out', [])
    argv += more
    capsys.readouterr()
    assert run(compress.main, [*argv, *options]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith('error: ') and line in lines[0]
    assert not (tmp_path / 'out').exists()


def test_edited_ranks_that_the_weights_do_not_have_are_one_line(compressed, tmp_path, capsys):
    name, own = next(iter(read_ranks(compressed / 'ranks.csv').items()))
    table = tmp_path / 'ranks.csv'
    table.write_text(f'layer,ranks\n{name},{" ".join(str(max(rank - 1, 1)) for rank in own)}\n')
    argv = [str(compressed / 'config.py'), str(compressed / 'compressed.pth'), '--out', str(tmp_path / 'metrics.json')]
    assert run(test.main, [*argv, '--work-dir', str(tmp_path), '--cfg-options', f'model.ranks={table}']) == 2
    assert 'checkpoint of another config' in capsys.readouterr().err


def test_a_model_without_convolutions_is_refused(options, tmp_path):
    request = CompressRequest(torch.nn.Linear(2, 2), load_config(CONFIG, options[1:]), tmp_path / 'x.pth', 0.5)
    with pytest.raises(UserError, match='no convolution that has a chain'):
        compress_detector(request, tmp_path)
