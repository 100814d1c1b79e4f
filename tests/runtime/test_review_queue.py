"""The boxes to look at first: the order, one box an object, any number of shards, crops of the original pictures."""

import csv
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from detplug.cli.main import main
from detplug.runtime import review_queue
from detplug.runtime.result_field import result_fields
from detplug.runtime.review_queue import first_boxes, one_box_an_object, orders
from detplug.runtime.run_folder import RunFolder
from detplug.runtime.tables import write_table

sys.path.insert(0, str(Path(__file__).parents[1] / 'cli'))
from tiny_bundle import write_bundle, write_pictures  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
STRANGE = [0.2, 0.9, 0.5]  # of the three boxes of tiny_bundle, in the order of their scores


@pytest.fixture
def bundle(tmp_path):
    """A bundle whose boxes have OOD scores, exported from an open-set detector."""
    return write_bundle(tmp_path / 'bundle', 'ood_scores', STRANGE)


@pytest.fixture
def many(tmp_path) -> Path:
    """100 pictures, grey values of one rising square: the scores of their boxes rise with it."""
    folder = tmp_path / 'many'
    folder.mkdir()
    for number in range(100):
        picture = np.zeros((64, 64, 3), np.uint8)
        picture[8:56, 8:56] = 150 + number
        cv2.imwrite(str(folder / f'{number:03d}.png'), picture)
    return folder


def predict(bundle, pictures, out, *more) -> int:
    return main(['predict', str(bundle), str(pictures), '--out', str(out), '--workers', '1', *map(str, more)])


def rows(out: Path) -> list[dict]:
    with open(out / 'queue.csv', encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def wrong(capsys, *words) -> None:
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith('error: ') and all(word in lines[0] for word in words), lines


def test_the_strangest_come_first_and_of_equals_the_better_score(bundle, many, tmp_path):
    assert predict(bundle, many, tmp_path / 'out', '--queue', 'strangest', '--top', 30) == 0
    found = rows(tmp_path / 'out')
    assert list(found[0]) == [
        'rank', 'file_name', 'box', 'x', 'y', 'width', 'height', 'name', 'score', 'strangeness',
    ]  # fmt: skip
    assert [row['rank'] for row in found] == [str(rank) for rank in range(1, 31)]
    # the second box of each picture is the strangest one; the brightest picture has the best score
    assert [row['file_name'] for row in found] == [str(many / f'{i:03d}.png') for i in range(99, 69, -1)]
    assert {row['strangeness'] for row in found} == {'0.9'} and {row['box'] for row in found} == {'1'}
    assert {row['name'] for row in found} == {'Würmer'}


def test_uncertain_works_for_any_detector(many, tmp_path):
    bundle = write_bundle(tmp_path / 'plain')
    assert predict(bundle, many, tmp_path / 'out', '--queue', 'uncertain', '--top', 50) == 0
    found, whole = rows(tmp_path / 'out'), json.loads((tmp_path / 'out' / 'predictions.json').read_text())
    margins = sorted(abs(row['score'] - 0.5) for row in whole)[:50]
    assert [float(row['margin']) for row in found] == pytest.approx(margins, abs=2e-5)
    assert all(float(row['margin']) == pytest.approx(abs(float(row['score']) - 0.5), abs=2e-5) for row in found)


@pytest.mark.parametrize('how', ['shards', 'resumed', 'processes', 'afterwards'])
def test_it_is_the_same_however_the_run_was_done(bundle, many, tmp_path, monkeypatch, how):
    queue = ['--queue', 'strangest', '--top', '40']
    assert predict(bundle, many, tmp_path / 'whole', *queue) == 0
    out = tmp_path / 'out'
    if how == 'shards':
        for part in (2, 1, 3):
            assert not (out / 'queue.csv').exists()
            assert predict(bundle, many, out, *queue, '--shard', f'{part}/3') == 0
    elif how == 'resumed':
        from detplug.runtime import shard

        done = []

        def stops(*words, write=shard.Rows.write):
            if len(done) == 3:
                raise KeyboardInterrupt
            done.append(1)
            return write(*words)

        monkeypatch.setattr(shard.Rows, 'write', stops)
        assert predict(bundle, many, out, *queue) == 130
        monkeypatch.undo()
        assert not (out / 'queue.csv').exists() and predict(bundle, many, out, *queue) == 0
    elif how == 'processes':
        assert main(['predict', str(bundle), str(many), '--out', str(out), '--workers', '2', *queue]) == 0
    else:
        assert predict(bundle, many, out) == 0
        assert predict(bundle, many, out, '--queue', 'uncertain', '--top', '60') == 0  # another one before
        assert predict(bundle, many, out, *queue) == 0
    for name in ('queue.csv', 'queue.json', 'queue.html'):
        assert (out / name).read_text() == (tmp_path / 'whole' / name).read_text()
    crops = [sorted(path.name for path in (x / 'queue').iterdir()) for x in (out, tmp_path / 'whole')]
    assert crops[0] == crops[1] == [f'{rank:04d}.jpg' for rank in range(1, 41)]


@pytest.mark.parametrize('reduce', [1, 2])
def test_crops_are_cut_from_the_original_picture(tmp_path, reduce):
    bundle = write_bundle(tmp_path / 'b', 'ood_scores', [0, 0, 1])  # the smallest box
    noise = np.random.default_rng(0).integers(0, 255, (20, 15)).astype(np.uint8)
    picture = cv2.cvtColor(cv2.resize(noise, (240, 320), interpolation=cv2.INTER_LINEAR), cv2.COLOR_GRAY2BGR)
    cv2.imwrite(str(tmp_path / 'a.png'), picture)
    out = tmp_path / 'out'
    words = ['--queue', 'strangest', '--top', 1, '--score-thr', 0, '--reduce', reduce]
    assert predict(bundle, tmp_path / 'a.png', out, *words) == 0
    row = rows(out)[0]
    x, y, width, height = (float(row[key]) for key in ('x', 'y', 'width', 'height'))
    around = max(16, max(width, height) / 2)
    left, top = max(0, int(np.floor(x - around))), max(0, int(np.floor(y - around)))
    right, bottom = (min(limit, int(np.ceil(v + around))) for limit, v in ((240, x + width), (320, y + height)))
    expected = picture[top:bottom, left:right].astype(int)
    crop = cv2.imread(str(out / 'queue' / '0001.jpg')).astype(int)
    assert crop.shape == expected.shape and right - left < 200
    assert np.abs(crop - expected).mean() < 2 < np.abs(np.roll(expected, 1, 1) - expected).mean()


def test_the_coco_json_holds_the_boxes_under_the_names_that_they_have(bundle, many, tmp_path):
    annotations = tmp_path / 'ann.json'
    images = [dict(id=f'a{i}', file_name=f'{i:03d}.png') for i in range(100)]
    annotations.write_text(
        json.dumps(dict(images=images, categories=[dict(id=7, name='Würmer'), dict(id=3, name='egg')]))
    )
    out = tmp_path / 'out'
    assert predict(bundle, many, out, '--queue', 'strangest', '--top', 5, '--annotations', annotations) == 0
    data, found = json.loads((out / 'queue.json').read_text()), rows(out)
    assert data['categories'] == [dict(id=3, name='egg'), dict(id=7, name='Würmer')]
    assert sorted(x['id'] for x in data['images']) == ['a95', 'a96', 'a97', 'a98', 'a99']
    assert all((x['width'], x['height']) == (64, 64) for x in data['images'])
    names = {x['id']: x['file_name'] for x in data['images']}
    for annotation, row in zip(data['annotations'], found, strict=True):
        assert names[annotation['image_id']] == row['file_name'] and annotation['category_id'] == 7
        assert annotation['bbox'] == [float(row[key]) for key in ('x', 'y', 'width', 'height')]
        assert annotation['strangeness'] == float(row['strangeness']) and annotation['iscrowd'] == 0


def test_one_box_an_object_of_each_picture_whatever_its_name():
    pictures = ['a', 'a', 'a', 'b', 'b']
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [40, 0, 50, 10], [0, 0, 10, 10], [0, 1, 10, 11.0]])
    assert one_box_an_object(pictures, boxes, np.array([0.5, 0.9, 0.4, 0.8, 0.7])).tolist() == [1, 2, 3]


def test_a_detector_without_the_field_is_refused_before_anything_is_predicted(many, tmp_path, capsys):
    bundle = write_bundle(tmp_path / 'plain')
    assert predict(bundle, many, tmp_path / 'out', '--queue', 'strangest') == 2
    wrong(capsys, '--queue strangest', 'ood_scores', 'strangeness', '--queue uncertain')
    assert not (tmp_path / 'out').exists()
    assert predict(bundle, many, tmp_path / 'out', '--top', 5) == 2
    wrong(capsys, '--top', '--queue')


def test_an_unreadable_picture_is_said_and_its_row_stays(bundle, many, tmp_path, capsys):
    assert predict(bundle, many, tmp_path / 'out', '--queue', 'strangest', '--top', 2) == 0
    run_folder = review_queue.RunFolder
    assert run_folder is RunFolder
    from detplug.images.sources import FrozenList
    from detplug.runtime import review_gallery

    run = RunFolder(tmp_path / 'out', FrozenList(tmp_path / 'out' / 'inputs.jsonl'), 100, 16, True)
    order = orders()['strangest']
    places = first_boxes(run, order, 2)
    (many / '099.png').write_bytes(b'rubbish')
    reasons = review_gallery.write_queue(run, places, order, dict(egg=1, Würmer=2), None)
    assert len(reasons) == 1 and '099.png' in reasons[0]
    assert len(rows(tmp_path / 'out')) == 2 and 'no crop' in (tmp_path / 'out' / 'queue.html').read_text()
    assert [path.name for path in (tmp_path / 'out' / 'queue').iterdir()] == ['0002.jpg']


def test_names_are_escaped_in_the_page(tmp_path):
    bundle = write_bundle(tmp_path / 'b', 'ood_scores', STRANGE, ('egg', '<b>worm'))
    pictures = write_pictures(tmp_path / '<i>p')
    assert predict(bundle, pictures[0], tmp_path / 'out', '--queue', 'strangest') == 0
    page = (tmp_path / 'out' / 'queue.html').read_text()
    assert '<b>worm' not in page and '<i>p' not in page and '&lt;b&gt;worm' in page


def test_another_run_does_not_leave_the_queue_of_this_one(bundle, many, tmp_path):
    out = tmp_path / 'out'
    assert predict(bundle, many, out, '--queue', 'strangest', '--top', 3) == 0
    mine = out / 'queue' / 'mine.txt'
    mine.write_text('mine')
    assert predict(bundle, many, out, '--score-thr', 0.5) == 2
    assert predict(bundle, many, out, '--score-thr', 0.5, '--overwrite') == 0
    assert not list(out.glob('queue.*')) and [x.name for x in (out / 'queue').iterdir()] == ['mine.txt']


def test_no_boxes_make_an_empty_queue(bundle, many, tmp_path):
    assert predict(bundle, many, tmp_path / 'out', '--queue', 'strangest', '--score-thr', 1) == 0
    assert rows(tmp_path / 'out') == []
    assert json.loads((tmp_path / 'out' / 'queue.json').read_text())['annotations'] == []


def table_of_shard(out: Path, number: int, boxes: int) -> None:
    rng = np.random.default_rng(number)
    columns = dict(
        file_name=[f'{number}-{i // 10}.png' for i in range(boxes)], box=np.arange(boxes),
        x=rng.uniform(0, 9e4, boxes), y=rng.uniform(0, 9e4, boxes), width=np.ones(boxes), height=np.ones(boxes),
        score=rng.random(boxes), ood_scores=rng.random(boxes),
    )  # fmt: skip
    write_table(out / f'part-{number:05d}.parquet', columns)


def test_memory_does_not_grow_with_the_number_of_shards(tmp_path):
    def peak(shards: int) -> int:
        run = RunFolder(tmp_path, None, shards, 1, True)
        tracemalloc.start()
        assert len(first_boxes(run, orders()['strangest'], 50)) == 50
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    for number in range(24):
        table_of_shard(tmp_path, number, 2000)
    peak(1)  # imports
    assert peak(24) < 1.5 * peak(3)


def test_a_bundle_queues_without_torch(bundle, many, tmp_path):
    code = (
        'import sys\n'
        'class Absent:\n'
        '    def find_spec(name, path=None, target=None):\n'
        "        if name in ('torch', 'mmengine', 'mmdet', 'mmcv'):\n"
        '            raise ModuleNotFoundError(name)\n'
        'sys.meta_path.insert(0, Absent)\n'
        'from detplug.cli.main import main\n'
        'sys.exit(main(sys.argv[1:]))\n'
    )
    words = ['predict', bundle, many, '--out', tmp_path / 'out', '--queue', 'strangest']
    done = subprocess.run([sys.executable, '-c', code, *map(str, words)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(rows(tmp_path / 'out')) == 100


def test_the_host_names_no_plugin():
    for name in ('review_queue.py', 'review_gallery.py', 'result_field.py'):
        text = (ROOT / 'detplug' / 'runtime' / name).read_text()
        assert 'openset' not in text and 'ood_scores' not in text and 'strangest' not in text
    assert result_fields()['ood_scores'].queue.name == 'strangest'
