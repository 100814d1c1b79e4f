"""train, test, predict and export on sample slides, and each kind of bad input: one line, exit status 2."""

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from detplug.cli import export, predict, test, train
from detplug.cli.run import run
from detplug.evaluation.coco_ap import box_metrics
from detplug.evaluation.results_file import load_results
from plugins.samples.parasites import generate

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / 'configs/yolov5/yolov5n_parasite-samples.py')
TINY = ['model.backbone.width=0.125', 'model.neck.in_channels=[32,64,128]', 'model.bbox_head.in_channels=[32,64,128]']


@pytest.fixture(scope='module')
def slides(tmp_path_factory) -> Path:
    return generate(tmp_path_factory.mktemp('data') / 'slides', counts=dict(train=6, val=4, test=4), size=128)


@pytest.fixture(scope='module')
def options(slides) -> list[str]:
    return ['--cfg-options', f'data_root={slides}', *TINY]


@pytest.fixture(scope='module')
def trained(slides, options, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('work') / 'run'
    assert run(train.main, [CONFIG, '--work-dir', str(folder), '--smoke', *options]) == 0
    assert [path.name for path in folder.iterdir()] == ['smoke']
    return folder / 'smoke'


@pytest.fixture
def copied(slides, tmp_path) -> Path:
    """A copy of the slides that a test may spoil."""
    return Path(shutil.copytree(slides, tmp_path / 'slides'))


def wrong(main, argv: list[str], capsys, *words: str) -> None:
    """``main`` ends with status 2 and one line that holds ``words``."""
    capsys.readouterr()
    assert run(main, argv) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith('error: '), lines
    for word in words:
        assert word in lines[0]


def spoil(folder: Path, change, split: str = 'test') -> Path:
    path = folder / 'annotations' / f'{split}.json'
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    return path


def arguments(folder: Path, trained: Path, out: Path) -> list[str]:
    return [
        CONFIG,
        str(trained / 'best.pth'),
        '--out',
        str(out / 'metrics.json'),
        '--work-dir',
        str(out),
        '--cfg-options',
        f'data_root={folder}',
        *TINY,
        'test_dataloader.num_workers=0',
    ]


def test_training_leaves_what_the_readme_promises(trained):
    files = {path.name for path in trained.iterdir()}
    assert {'iter_2.pth', 'last.pth', 'best.pth', 'metrics.json', 'history.jsonl', 'report.html'} <= files
    metrics = json.loads((trained / 'metrics.json').read_text())
    assert {'map', 'map50', 'minutes', 'step'} <= metrics.keys()
    assert all(isinstance(value, int | float) for value in metrics.values())


def test_a_second_training_does_not_overwrite_the_first(trained, options, capsys):
    wrong(train.main, [CONFIG, '--work-dir', str(trained), *options], capsys, '--resume', '--work-dir')


def test_evaluation_writes_flat_metrics_and_a_report(slides, trained, tmp_path):
    words = arguments(slides, trained, tmp_path)
    assert run(test.main, [*words[:2], '--results', str(tmp_path / 'images.npz'), *words[2:]]) == 0
    figure = json.loads((tmp_path / 'metrics.json').read_text())['map']
    images, classes = load_results(tmp_path / 'images.npz')
    assert 0 <= figure <= 1 and box_metrics(images, classes, 300)['map'] == pytest.approx(figure)
    assert (tmp_path / 'report.html').stat().st_size > 1000


def test_predictions_are_in_the_coco_result_format(slides, trained, options, tmp_path):
    argv = [CONFIG, str(trained / 'best.pth'), str(slides / 'images'), '--out', str(tmp_path), '--score-thr', '0']
    assert run(predict.main, [*argv, *options]) == 0
    rows = json.loads((tmp_path / 'predictions.json').read_text())
    assert rows and len(list((tmp_path / 'pictures').glob('*.jpg'))) == 14
    for row in rows:
        x, y, width, height = row['bbox']
        assert x >= 0 and y >= 0 and width >= 0 and height >= 0
        assert {'image_id', 'category_id', 'category_name', 'score', 'file_name'} <= row.keys()


def test_images_without_boxes_are_valid(copied, trained, tmp_path):
    spoil(copied, lambda data: data.update(annotations=[]))
    assert run(test.main, arguments(copied, trained, tmp_path)) == 0


def off_scale(data: dict) -> None:
    """Half of the boxes as if they were drawn on a larger image."""
    for item in data['annotations'][::2]:
        item['bbox'] = [x + 4000 for x in item['bbox'][:2]] + item['bbox'][2:]


def test_lost_boxes_are_shown_and_must_be_accepted(copied, trained, tmp_path, capsys):
    for split in ('train', 'val', 'test'):
        spoil(copied, off_scale, split)
    options = ['--cfg-options', f'data_root={copied}', *TINY]
    training = [CONFIG, '--smoke', '--work-dir', str(tmp_path / 'w')]
    testing = arguments(copied, trained, tmp_path / 't')
    words = ['boxes have no area inside their image', 'anomalies.csv', '--accept-anomalies']
    wrong(train.main, [*training, *options], capsys, 'train.json', 'val.json', *words)
    assert not list((tmp_path / 'w').glob('*.pth'))
    wrong(test.main, testing, capsys, 'test.json', *words)
    assert run(train.main, [*training, '--accept-anomalies', *options]) == 0
    out = capsys.readouterr().out
    report, listed = ((tmp_path / 'w' / 'smoke' / name).read_text() for name in ('report.html', 'anomalies.csv'))
    for split in ('train', 'val'):
        assert re.search(rf'anomalies: .*{split}.json: \d+ images, \d+ boxes; \d+ x box outside the image dropped', out)
        assert 'Anomalies of the data' in report and f'{split}.json' in report
        assert f'{split}.json,box outside the image dropped,' in listed


def test_a_bare_class_name_is_the_same_line_in_every_command(slides, trained, options, tmp_path, capsys):
    config = tmp_path / 'one.py'
    one = "dict(dataset=dict(metainfo=dict(classes='egg')))"
    config.write_text(f'_base_ = [{CONFIG!r}]\ntest_dataloader = {one}\n')
    argv = [str(config), str(trained / 'best.pth')]
    words = 'classes:', "write ('egg',)"
    wrong(test.main, [*argv, '--work-dir', str(tmp_path / 't'), *options], capsys, *words)
    wrong(predict.main, [*argv, str(slides / 'images'), '--out', str(tmp_path / 'p'), *options], capsys, *words)
    wrong(export.main, [*argv, '--out', str(tmp_path / 'e'), *options], capsys, *words)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (lambda data: data.clear(), ['test.json']),
        (lambda data: data.update(images=[]), ['test.json', 'images']),
        (lambda data: data['annotations'][0].update(category_id=99), ['test.json', '99']),
        (lambda data: data['categories'][0].update(name='askaris'), ['askaris', 'ascaris']),
        (lambda data: data['images'][0].update(file_name='gone.jpg'), ['gone.jpg']),
    ],
    ids=['empty json', 'no images', 'label out of range', 'name misspelt', 'image missing'],
)
def test_bad_annotations_are_one_line(copied, trained, tmp_path, capsys, change, words):
    spoil(copied, change)
    wrong(test.main, arguments(copied, trained, tmp_path), capsys, *words)


def test_a_broken_image_is_one_line(copied, trained, options, tmp_path, capsys):
    name = json.loads((copied / 'annotations' / 'test.json').read_text())['images'][0]['file_name']
    path = copied / 'images' / name
    path.write_bytes(path.read_bytes()[:100])
    wrong(test.main, arguments(copied, trained, tmp_path), capsys, name)
    argv = [CONFIG, str(trained / 'best.pth'), str(path), '--out', str(tmp_path / 'out'), *options]
    assert run(predict.main, argv) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and name in lines[0] and '1 of 1 pictures' in lines[1]


def test_bad_checkpoints_are_one_line(slides, trained, options, tmp_path, capsys):
    image = tmp_path / 'image.png'
    cv2.imwrite(str(image), np.zeros((64, 64, 3), np.uint8))
    whole = (trained / 'best.pth').read_bytes()
    (tmp_path / 'cut.pth').write_bytes(whole[: len(whole) // 2])
    other = torch.load(trained / 'best.pth', weights_only=True)
    names = list(other['meta']['dataset_meta']['classes'])
    other['meta']['dataset_meta']['classes'] = names[::-1]
    torch.save(other, tmp_path / 'swapped.pth')
    for file, words in (
        ('cut.pth', ['cut.pth']),
        ('gone.pth', ['gone.pth', 'not found']),
        ('swapped.pth', ['swapped.pth', 'classes']),
    ):
        argv = [CONFIG, str(tmp_path / file), str(image), '--out', str(tmp_path / 'out'), *options]
        wrong(predict.main, argv, capsys, *words)
        wrong(test.main, [CONFIG, str(tmp_path / file), '--work-dir', str(tmp_path / 'w'), *options], capsys, *words)
    wide = [x for x in options if 'width' not in x and 'in_channels' not in x]
    argv = [CONFIG, str(trained / 'best.pth'), str(image), '--out', str(tmp_path / 'out'), *wide]
    wrong(predict.main, argv, capsys, 'best.pth', 'checkpoint of another config')


def test_a_config_or_picture_that_does_not_exist_is_one_line(trained, options, tmp_path, capsys):
    wrong(train.main, ['configs/nothing.py'], capsys, 'configs/nothing.py', 'not found')
    wrong(
        predict.main,
        [CONFIG, str(trained / 'best.pth'), 'gone.jpg', '--out', str(tmp_path), *options],
        capsys,
        'gone.jpg',
    )


def test_an_argument_that_no_part_takes_is_one_line(tmp_path, capsys):
    config = tmp_path / 'typo.py'
    config.write_text(f'_base_ = [{CONFIG!r}]\nmodel = dict(backbone=dict(widht=0.5))\n')
    wrong(train.main, [str(config), '--work-dir', str(tmp_path / 'w')], capsys, 'typo.py', 'widht')


def test_a_smoke_run_can_be_repeated_and_is_in_nobodys_way(trained, options):
    argv = [CONFIG, '--work-dir', str(trained.parent), *options, 'custom_hooks=[]']
    (trained / 'iter_7.pth').write_bytes(b'of an older run')
    assert run(train.main, [*argv[:3], '--smoke', *argv[3:]]) == 0
    assert {path.name for path in trained.glob('*.pth')} == {'iter_2.pth', 'last.pth', 'best.pth'}
    short = ['max_iters=2', 'warmup=1', 'train_dataloader.batch_size=2', 'val_dataloader=None']
    assert run(train.main, [*argv, *short]) == 0
    assert {path.name for path in trained.parent.glob('*.pth')} == {'iter_2.pth', 'last.pth'}


def test_a_config_without_a_split(trained, options, slides, tmp_path, capsys):
    """Without a test split it trains, and predicts by the pipeline for validation; without either it says so."""
    argv = [CONFIG, '--work-dir', str(tmp_path), '--smoke', *options, 'custom_hooks=[]', 'test_dataloader=None']
    assert run(train.main, argv) == 0
    argv = [CONFIG, str(trained / 'best.pth'), str(slides / 'images' / 'val_0000.jpg'), '--out', str(tmp_path / 'out')]
    assert run(predict.main, [*argv, *options, 'test_dataloader=None']) == 0
    wrong(
        predict.main,
        [*argv, *options, 'test_dataloader=None', 'val_dataloader=None'],
        capsys,
        'test_dataloader: missing',
    )


@pytest.mark.parametrize('words', [['--seed', '-1'], ['--cfg-options', 'randomness.seed=-1'], ['--seed', '4294967296']])
def test_a_seed_out_of_range_is_one_line(words, capsys):
    wrong(train.main, [CONFIG, *words], capsys, words[-1].rpartition('=')[2], 'not a whole number from 0 to 4294967295')


@pytest.mark.parametrize(('name', 'words'), [('fpga', 'compress.py --method fpga'), ('nope', 'no such format; one of')])
def test_a_format_that_the_config_does_not_import_speaks_for_itself(trained, options, tmp_path, capsys, name, words):
    argv = [CONFIG, str(trained / 'best.pth'), '--format', name, '--out', str(tmp_path / 'out'), *options]
    wrong(export.main, argv, capsys, words)
