"""Published weights by their address in the place of a checkpoint, in every command that takes one."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tiny_bundle import write_pictures
from weights_server import serving

from detplug import Detector
from detplug.cli import benchmark, compress, export, predict, test
from detplug.cli.config import load_config
from detplug.cli.run import run
from detplug.engine import published_weights
from detplug.engine.quiet import quiet_imports
from detplug.errors import UserError
from plugins.samples.parasites import generate

with quiet_imports():
    from mmdet.registry import MODELS

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / 'configs/yolov5/yolov5n_parasite-samples.py')
TINY = ['model.backbone.width=0.125', 'model.neck.in_channels=[32,64,128]', 'model.bbox_head.in_channels=[32,64,128]']
NAME = 'mmdet://rtmdet_tiny_8xb32-300e_coco'  # stands for the weights that the server has


@pytest.fixture
def weights(tmp_path, monkeypatch) -> Path:
    """The folder of downloads; a server of this machine has the weights of CONFIG."""
    (tmp_path / 'served').mkdir()
    torch.manual_seed(0)
    model = MODELS.build(load_config(CONFIG, TINY).model)
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'served' / 'tiny.pth')
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    monkeypatch.chdir(tmp_path)
    with serving(tmp_path / 'served') as web:
        monkeypatch.setattr(published_weights, 'mmdet_urls', lambda: {NAME.removeprefix('mmdet://'): f'{web}/tiny.pth'})
        yield tmp_path / 'hub' / 'checkpoints'


def test_predict_and_a_second_run_that_goes_on(weights, tmp_path, capsys):
    pictures = write_pictures(tmp_path / 'pictures')[0]
    words = [CONFIG, NAME, str(pictures), '--out', 'found', '--score-thr', '0', '--no-pictures', '--cfg-options', *TINY]
    assert run(predict.main, words) == 0, capsys.readouterr().err
    assert run(predict.main, words) == 0
    said = capsys.readouterr().out
    assert said.count('download ') == 1 and 'holds this run' in said and len(list(weights.iterdir())) == 1
    engine = json.loads(next(Path('found').glob('run*.json')).read_text())
    assert published_weights.hashlib.sha256(next(weights.iterdir()).read_bytes()).hexdigest() in json.dumps(engine)


def test_test(weights, tmp_path, capsys):
    slides = generate(tmp_path / 'slides', counts=dict(train=1, val=1, test=2), size=64)
    options = [f'data_root={slides}', 'test_dataloader.num_workers=0', 'custom_hooks=[]', *TINY]
    assert run(test.main, [CONFIG, NAME, '--work-dir', 'work', '--device', 'cpu', '--cfg-options', *options]) == 0
    assert 'map' in json.loads(Path('work/metrics_test.json').read_text())


def test_export_and_compress_are_given_the_weights(weights, tmp_path, monkeypatch, capsys):
    requests = {}
    bundle = SimpleNamespace(folder='b', manifest=dict(format='onnx'))
    monkeypatch.setattr(export, 'export', lambda name, request, out: requests.update(export=request) or bundle)
    monkeypatch.setattr(compress, 'compress', lambda name, request, out: requests.update(compress=request) or {})
    for command in (export, compress):
        budget = ['--budget', '0.5'] if command is compress else []
        assert run(command.main, [CONFIG, NAME, '--out', 'out', *budget, '--cfg-options', *TINY]) == 0
    saved = torch.load(next(weights.iterdir()), weights_only=True)['state_dict']
    for request in requests.values():
        assert all(torch.equal(x.cpu(), saved[name]) for name, x in request.model.state_dict().items())
    assert requests['compress'].checkpoint == next(weights.iterdir()), 'a file, which a config can name'


def test_a_detector_in_python(weights, tmp_path):
    Path('tiny.py').write_text(
        f'_base_ = {CONFIG!r}\nmodel = dict(backbone=dict(width=0.125), '
        'neck=dict(in_channels=[32, 64, 128]), bbox_head=dict(in_channels=[32, 64, 128]))'
    )
    detector = Detector(NAME, config='tiny.py', device='cpu')
    assert len(detector.predict(write_pictures(tmp_path / 'pictures')[0], score_thr=0)) == 1
    with pytest.raises(UserError, match='weights without their config; give config='):
        Detector(NAME)
    with pytest.raises(UserError, match='this kind of address is not read; download the file'):
        Detector('s3://bucket/a.pth', config='tiny.py')


@pytest.mark.parametrize(
    ('main', 'words', 'line'),
    [
        (predict.main, [NAME, 'a.jpg', '--out', 'o'], 'the weights come after their config; give `predict mmdet::FOLD'),
        (benchmark.main, [NAME], 'no manifest.json; give a folder that'),
        (predict.main, [CONFIG, NAME[:-1], 'a.jpg', '--out', 'o'], 'no such name in the list of mmdet://;'),
        (export.main, [CONFIG, 'http://127.0.0.1:1/a.pth', '--out', 'o'], 'a.pth: not downloaded'),
        (export.main, [CONFIG, 's3://bucket/a.pth', '--out', 'o'], 's3://bucket/a.pth: this kind of address is not'),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_one_line(main, words, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    assert run(main, words) == 2
    said = capsys.readouterr().err.strip()
    assert line in said and len(said.splitlines()) == 1
