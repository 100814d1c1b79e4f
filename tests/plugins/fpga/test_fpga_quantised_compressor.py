"""tools/compress.py --method fpga: what it writes evaluates and trains; wrong requests are one line."""

import json
from pathlib import Path

import onnxruntime
import pytest
import torch

pytest.importorskip('brevitas', reason='the extra [fpga] is not installed')

from mmdet.registry import MODELS

from detplug.cli import compress, test, train
from detplug.cli.config import load_config
from detplug.cli.detector import build_detector
from detplug.cli.run import run
from detplug.engine.checkpoint import load_file, save_atomic
from detplug.engine.history import read_history
from detplug.export.graph import INPUT, write_graph
from plugins.fpga import compressor
from plugins.fpga.quantised.raw_network import RawNetwork, raw_network, rebuilt_kernels
from plugins.samples.parasites import generate

ROOT = Path(__file__).resolve().parents[3]
CONFIG = """
_base_ = '{root}/configs/yolov5/yolov5n_parasite-samples.py'
custom_imports = dict(imports=['plugins.yolov5.register', 'plugins.tensor_train.register'])
model = dict(
    type='TTCompressed',
    of='SingleStageDetector',
    ranks='{{{{ fileDirname }}}}/ranks.csv',
    backbone=dict(width=0.125, act_cfg=dict(type='ReLU')),
    neck=dict(in_channels=[32, 64, 128], act_cfg=dict(type='ReLU')),
    bbox_head=dict(in_channels=[32, 64, 128]),
)
fpga = dict(board='ZCU104', array=16, memories=dict(sums=512, weights=16384))
"""
DISTILLED = """
_base_ = 'config.py'
custom_hooks = [
    dict(
        type='DistillationHook',
        teacher='{folder}/config.py',
        checkpoint='{folder}/float.pth',
        weights=dict(neck=1, bbox_head=2),
    )
]
"""
RANKS = 'layer,ranks\nbackbone.stage0.0.conv,3 4\nneck.halve.0.conv,8 8\nneck.reduce.0.conv,6\n'


@pytest.fixture(scope='module')
def source(tmp_path_factory) -> Path:
    """Folder of a float Tensor-Train detector: config.py, ranks.csv, float.pth."""
    folder = tmp_path_factory.mktemp('float')
    slides = generate(tmp_path_factory.mktemp('data') / 'slides', counts=dict(train=6, val=4, test=4), size=128)
    (folder / 'ranks.csv').write_text(RANKS)
    text = CONFIG.format(root=ROOT)
    (folder / 'config.py').write_text(text)
    config = load_config(folder / 'config.py', [f'data_root={slides}'])
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    save_atomic({'meta': {}, 'state_dict': model.state_dict()}, folder / 'float.pth')
    (folder / 'slides.txt').write_text(str(slides))
    return folder


def words(source: Path, out: Path, *more: str) -> list[str]:
    slides = (source / 'slides.txt').read_text()
    fixed = ['--method', 'fpga', '--images', '4', '--img-size', '64', '--out', str(out)]
    return [str(source / 'config.py'), str(source / 'float.pth'), *fixed, *more, '--cfg-options', f'data_root={slides}']


@pytest.fixture(scope='module')
def quantised(source) -> Path:
    """What ``compress --method fpga`` wrote for it."""
    out = source.parent / 'int8'
    assert run(compress.main, words(source, out, '--form', 'rebuild')) == 0
    return out


def test_it_evaluates_trains_and_keeps_its_scales(source, quantised, tmp_path):
    out, work = quantised, tmp_path / 'work'
    assert {x.name for x in out.iterdir()} == {'compressed.pth', 'config.py', 'ranks.csv', 'manifest.json'}
    facts = json.loads((out / 'manifest.json').read_text())
    assert 3.5 < facts['bytes in float'] / facts['bytes in int8'] < 4
    config, checkpoint = str(out / 'config.py'), str(out / 'compressed.pth')
    written = load_config(config)
    assert str(source) not in written.pretty_text
    assert (written.train_cfg.max_iters, written.train_cfg.val_interval) == (300, 100)
    assert written.optim_wrapper.optimizer.lr == pytest.approx(2e-4)  # the float one's is 2e-3
    argv = [config, checkpoint, '--out', str(tmp_path / 'metrics.json'), '--work-dir', str(tmp_path)]
    assert run(test.main, argv) == 0
    assert run(train.main, [config, '--work-dir', str(work), '--smoke']) == 0
    before, after = (load_file(path)['state_dict'] for path in (checkpoint, work / 'smoke' / 'best.pth'))
    assert before.keys() == after.keys()
    for name, value in before.items():
        if not value.is_floating_point():
            assert torch.equal(value, after[name]), name
    assert any(not torch.equal(value, after[name]) for name, value in before.items())
    model = build_detector(written, work / 'smoke' / 'best.pth')
    write_graph(model, tmp_path / 'model.onnx', 64, raw=True)
    images = torch.rand(1, 3, 64, 64)
    found = onnxruntime.InferenceSession(tmp_path / 'model.onnx').run(None, {INPUT: images.numpy()})
    with torch.no_grad():
        for mine, theirs in zip(found, RawNetwork(model)(images), strict=True):
            assert torch.allclose(torch.from_numpy(mine), theirs, atol=1e-5)
    images = torch.rand(1, 3, 64, 64)
    for mine, exported in zip(RawNetwork(model)(images), raw_network(model)(images), strict=True):
        torch.testing.assert_close(mine, exported)
    assert sum(x is not None for x in rebuilt_kernels(model)) == 3


def test_a_distillation_compares_what_has_the_scale_of_the_teacher(source, tmp_path, capsys):
    """The maps of the neck have gains in int8: its training compares the head alone, and the screen says so."""
    (source / 'distilled.py').write_text(DISTILLED.format(folder=source))
    config, *more = words(source, tmp_path / 'int8')
    assert run(compress.main, [str(source / 'distilled.py'), *more]) == 0
    assert 'neck: in int8 these maps have gains' in capsys.readouterr().out
    written = load_config(tmp_path / 'int8/config.py')
    assert [hook['weights'] for hook in written.custom_hooks if hook['type'] == 'DistillationHook'] == [
        {'bbox_head': 2}
    ]
    config = tmp_path / 'int8/config.py'
    assert run(train.main, [str(config), '--work-dir', str(tmp_path / 'work'), '--smoke']) == 0
    before = config.with_name('before.py')  # as it was written when the maps of the neck had no gains
    (hook,) = (hook for hook in written.custom_hooks if hook['type'] == 'DistillationHook')
    hook['weights'] = {'bbox_head': 2, 'neck': 1}
    before.write_text(written.pretty_text)
    assert run(train.main, [str(before), '--work-dir', str(tmp_path / 'again'), '--smoke']) == 2
    assert "'neck': the maps of an int8 detector have gains" in capsys.readouterr().err
    model = build_detector(load_config(source / 'distilled.py'), str(source / 'float.pth')).eval()
    small = build_detector(written, str(tmp_path / 'int8/compressed.pth')).eval()
    images = torch.rand(4, 3, 64, 64)
    with torch.no_grad():
        ratios = [
            float((mine * theirs).sum() / theirs.square().sum())
            for mine, theirs in zip(small.extract_feat(images), model.extract_feat(images), strict=True)
        ]
    assert max(ratios) > 1.1  # what they have in float, times a gain


@pytest.mark.parametrize(
    ('more', 'line'),
    [
        (['--budget', '0.5'], '--budget 0.5: --method fpga keeps all parameters; leave it out'),
        (['--images', '0'], '--images 0: the scales are chosen on images'),
        (['--method', 'tensor_train'], '--budget: missing; --method tensor_train wants the share'),
    ],
)
def test_wrong_requests_are_one_line(source, tmp_path, capsys, more, line):
    argv = words(source, tmp_path / 'out')
    place = argv.index('--cfg-options')
    assert run(compress.main, [*argv[:place], *more, *argv[place:]]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith('error: ') and line in lines[0]
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    ('option', 'line'),
    [
        ('fpga.board=nowhere', 'board: nowhere: not known'),
        ('fpga.array=10', 'fpga: array: 10; give one of 4, 8, 16'),
        ('fpga.array=64', 'fpga: array: 64: 2048 DSP blocks, ZCU104 has 1728'),
        ('fpga.memories.sums=16', 'columns of the output: need 32 words; make the accumulator memory'),
        ('fpga.memories.weights=200000', 'blocks at least, ZCU104 has 312'),
    ],
)
def test_what_does_not_fit_is_one_line_before_calibration(source, tmp_path, capsys, monkeypatch, option, line):
    monkeypatch.setattr(compressor, 'calibration_images', lambda *_: pytest.fail('it calibrates'))
    assert run(compress.main, [*words(source, tmp_path / 'out'), option]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith('error: ') and line in lines[0]


@pytest.mark.parametrize(
    ('text', 'line'),
    [
        ("fpga = dict(board='nowhere')", 'board: nowhere'),
        ('fpga = dict(memories=dict(sums=16))', 'columns of the output: need 32 words'),
        ('', 'model: not quantised'),
    ],
)
def test_a_training_that_could_not_export_does_not_begin(source, quantised, tmp_path, capsys, text, line):
    config, base = tmp_path / 'config.py', quantised if text else source
    hook = "default_hooks = dict(export=dict(type='ExportHook', formats=['fpga'], img_size=64))"
    names = [f'plugins.{name}.register' for name in ('yolov5', 'tensor_train', 'fpga')]
    config.write_text(
        '\n'.join([f"_base_ = '{base}/config.py'", hook, f'custom_imports = dict(imports={names})', text])
    )
    argv = [str(config), '--work-dir', str(tmp_path / 'work'), '--smoke']
    assert run(train.main, [*argv, '--cfg-options', f'data_root={(source / "slides.txt").read_text()}']) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert line in error[-1] and error[-1].startswith('error: ') and not list(tmp_path.rglob('*.pth'))


@pytest.mark.parametrize(
    'more', [['--modules', 'x'], ['--method', 'tensor_train', '--budget', '0.9', '--form', 'chain']]
)
def test_an_option_of_another_compressor_is_refused(source, tmp_path, capsys, more):
    argv = words(source, tmp_path / 'out')
    place = argv.index('--cfg-options')
    with pytest.raises(SystemExit) as error:
        run(compress.main, [*argv[:place], *more, *argv[place:]])
    owner, said = 'tensor_train' if more[-2] == '--modules' else 'fpga', capsys.readouterr().err
    assert error.value.code == 2 and f'{more[-2]}: no such option; it is of ' in said and f'--method {owner}' in said


@pytest.mark.parametrize(
    ('method', 'own', 'foreign'), [('fpga', '--form', '--relu'), ('tensor_train', '--relu', '--form')]
)
def test_help_shows_the_options_of_the_method(capsys, method, own, foreign):
    with pytest.raises(SystemExit):
        compress.main(['--method', method, '--help'])
    text = capsys.readouterr().out
    assert own in text and foreign not in text and '--budget' in text


def test_it_trains_in_mixed_precision(quantised, tmp_path):
    """Losses are finite, kernels move, whole numbers (the scales) stay."""
    argv = [str(quantised / 'config.py'), '--work-dir', str(tmp_path), '--smoke', '--amp']
    assert run(train.main, [*argv, '--cfg-options', 'optim_wrapper.optimizer.lr=0.01', 'custom_hooks=[]']) == 0
    rows = [row['loss'] for row in read_history(tmp_path / 'smoke' / 'history.jsonl') if 'loss' in row]
    assert len(rows) == 2 and None not in rows
    paths = quantised / 'compressed.pth', tmp_path / 'smoke' / 'last.pth'
    before, after = (load_file(path)['state_dict'] for path in paths)
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert moved and all(before[name].is_floating_point() for name in moved)
