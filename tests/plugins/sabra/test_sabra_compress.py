"""A relation detector is compressed like any other, and learns on beside the dense one."""

import json
from pathlib import Path

import torch
from mmdet.registry import MODELS

from detplug.cli import compress, train
from detplug.cli.config import load_config
from detplug.cli.run import run
from plugins.samples.scenes import generate
from plugins.tensor_train.ranks_file import read_ranks

CONFIG = str(Path(__file__).resolve().parents[3] / 'configs/sabra/sabra_yolov5n_samples.py')
PARTS = ('backbone.width=0.125', 'neck.in_channels=[32,64,128]', 'bbox_head.in_channels=[32,64,128]')
TINY = [*(f'model.detector.{part}' for part in PARTS), 'model.head.visual.channels=32']


def test_it_is_compressed_and_trains_on_beside_the_dense_one(tmp_path):
    generate(tmp_path / 'scenes', counts=dict(train=6, val=2, test=2), size=96)
    options = ['--cfg-options', f'data_root={tmp_path / "scenes"}/', *TINY]
    torch.manual_seed(0)
    model = MODELS.build(load_config(CONFIG, options[1:]).model)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'dense.pth')
    words = ['--budget', '0.8', '--img-size', '96', '--images', '4', '--out', str(tmp_path / 'small')]
    assert run(compress.main, [CONFIG, str(tmp_path / 'dense.pth'), *words, *options]) == 0
    ranks = read_ranks(tmp_path / 'small' / 'ranks.csv')
    assert ranks and all(name.startswith(('detector.backbone.', 'detector.neck.')) for name in ranks)
    argv = [str(tmp_path / 'small' / 'distill.py'), '--work-dir', str(tmp_path / 'work'), '--smoke']
    assert run(train.main, argv) == 0
    rows = [json.loads(line) for line in (tmp_path / 'work' / 'smoke' / 'history.jsonl').read_text().splitlines()]
    assert all(row['loss_distill_bbox_head'] > 0 for row in rows if 'loss' in row)
