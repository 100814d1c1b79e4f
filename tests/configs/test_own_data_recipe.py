"""docs/own_data.md, to the letter: the layout, the names, a smoke run, the training, and what follows."""

import json
import shutil
from pathlib import Path

import pytest

from detplug.cli import predict, test, train
from detplug.cli.config import load_config
from detplug.cli.run import run
from detplug.errors import UserError
from plugins.samples.parasites import generate

ROOT = Path(__file__).resolve().parents[2]
CONFIG = 'configs/yolov5/yolov5n_own-data.py'
DATA = 'configs/_base_/datasets/own_data.py'
SMALL = [
    '--cfg-options', 'img_scale=(64,64)', 'train_dataloader.batch_size=2', 'custom_hooks=[]',
    'model.backbone.width=0.125', 'model.neck.in_channels=[32,64,128]', 'model.bbox_head.in_channels=[32,64,128]',
]  # fmt: skip


@pytest.fixture
def clone(tmp_path, monkeypatch) -> tuple[str, ...]:
    """A folder with the configs, as a clone is, and pictures at data/mine; the names of the classes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('DETPLUG_DATA', raising=False)
    shutil.copytree(ROOT / 'configs', 'configs')
    generate(Path('data/mine'), counts=dict(train=4, val=2, test=2), size=64)
    return tuple(x['name'] for x in json.loads(Path('data/mine/annotations/val.json').read_text())['categories'])


def name_the_classes(names: tuple[str, ...]) -> None:
    text = Path(DATA).read_text()
    assert text.count("classes = ('egg',)") == 1
    Path(DATA).write_text(text.replace("classes = ('egg',)", f'classes = {names!r}', 1))


def test_it_is_followed_to_the_letter(clone, capsys):
    name_the_classes(clone)
    assert run(train.main, [CONFIG, '--smoke', *SMALL]) == 0
    short = [*SMALL, 'max_iters=2', 'warmup=1', 'train_cfg.val_interval=2']
    assert run(train.main, [CONFIG, *short]) == 0, capsys.readouterr().err
    folder = Path('work_dirs/yolov5/yolov5n_own-data')
    assert {'best.pth', 'metrics.json', 'smoke'} <= {path.name for path in folder.iterdir()}
    assert 'thread' in capsys.readouterr().out
    assert run(train.main, [CONFIG, '--smoke', *SMALL]) == 0  # again, beside the training
    best = str(folder / 'best.pth')
    assert run(test.main, [CONFIG, best, *SMALL]) == 0
    assert (folder / 'test' / 'metrics_test.json').is_file()
    assert run(predict.main, [CONFIG, best, 'data/mine/images', '--out', 'out', *SMALL]) == 0


def test_a_warm_up_longer_than_the_training_is_one_line(clone, capsys):
    name_the_classes(clone)
    assert run(train.main, [CONFIG, *SMALL, 'max_iters=2']) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and 'param_scheduler' in lines[0] and 'begin=50, end=2' in lines[0]


def test_the_names_may_be_given_as_an_option(clone):
    """The head follows, so that nothing else has to be changed."""
    config = load_config(CONFIG, [f'classes={clone}', 'data_root=elsewhere'])
    assert config.model.bbox_head.num_classes == len(clone) == 10
    for loader in ('val_dataloader', 'test_dataloader'):
        assert config[loader].dataset.metainfo.classes == clone and config[loader].dataset.data_root == 'elsewhere/'


def test_one_name_without_a_comma_is_one_line(clone):
    Path(DATA).write_text(Path(DATA).read_text().replace("classes = ('egg',)", "classes = ('egg')", 1))
    with pytest.raises(UserError, match=r"classes: 'egg' is not a tuple of names; write \('egg',\)"):
        load_config(CONFIG)


OPEN_SET = 'configs/openset/yolov5n_own-data.py'
SMALL_OPEN_SET = [
    '--cfg-options', 'img_scale=(64,64)', 'train_dataloader.batch_size=2', 'load_from=None', 'warmup=1',
    *(x.replace('model.', 'model.detector.') for x in SMALL if x.startswith('model.')),
]  # fmt: skip


def test_a_folder_without_annotations_beside_few_labelled_pictures_trains_to_its_report(clone, capsys):
    name_the_classes(clone)
    generate(Path('more'), counts=dict(train=4, val=1, test=1), size=64, seed=1)
    Path('more/images').rename('data/mine/unlabelled')
    short = [*SMALL_OPEN_SET, 'max_iters=4', 'model.burn_in=2', 'train_cfg.val_interval=4']
    assert run(train.main, [OPEN_SET, *short]) == 0, capsys.readouterr().err
    folder = Path('work_dirs/openset/yolov5n_own-data')
    assert {'report.html', 'best.pth', 'openset.jsonl'} <= {path.name for path in folder.iterdir()}
    assert 'Objects a class' in (folder / 'report.html').read_text()
    assert run(train.main, [OPEN_SET, '--smoke', *SMALL_OPEN_SET, 'model.burn_in=1']) == 0, capsys.readouterr().err
