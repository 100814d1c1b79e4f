"""Bad files and options of evaluate-relations: one line with file, field and cure, status 2."""

import json
import re

import numpy as np
import pytest
from sabra_evaluator_cases import one_pair, ppdm, scene_graph_files, small_names, small_set, write_truth

from detplug.cli.main import main as detplug
from plugins.sabra.evaluator.detplug_predictions import write_npz
from plugins.sabra.relations import RelationSet, truth_as_result


@pytest.fixture(scope='module')
def vrd(tmp_path_factory):
    """Folder with truth.json and found.npz."""
    folder = tmp_path_factory.mktemp('vrd')
    data, results = small_set('vrd')
    write_truth(folder, data)
    write_npz(folder / 'found.npz', data.images, results, data.names)
    return folder


def refused(capsys, *words) -> str:
    """The one line of a command that must fail."""
    assert detplug(['evaluate-relations', *map(str, words)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith('error: ')
    return lines[0]


def changed(folder, tmp_path, **columns):
    """found.npz with other columns; None removes one."""
    content = dict(np.load(folder / 'found.npz')) | columns
    path = tmp_path / 'changed.npz'
    np.savez(path, **{name: value for name, value in content.items() if value is not None})
    return path


@pytest.mark.parametrize(
    ('name', 'value', 'line'),
    [
        ('boxes', None, 'columns.boxes: missing'),
        ('boxes', lambda x: x * np.nan, 'boxes: .*not a list of finite rows of 4 numbers'),
        ('labels', lambda x: x + 3, 'labels: .* is none of 0 to 2'),
        ('file_name', lambda x: np.array('1.jpg'), 'box_image: .* is none of 0 to 0'),
        ('predicates', lambda x: np.array('hold'), 'triplets'),
        ('labels', lambda x: x[:-1], 'columns of boxes .*not of one length'),
        ('triplets', lambda x: x + 50, 'triplets'),
        ('triplets', lambda x: x * 0 + 5, 'subject and object count from 0 in each image'),
        ('triplets', lambda x: x[:, :2], r'triplets: shape \(\d+, 2\), not \(T, 3\)'),
        ('triplet_scores', lambda x: x[:-1], 'of triplets .*not of one length'),
        ('triplet_image', lambda x: x + 12, 'triplet_image: .* is none of 0 to 11'),
        ('classes', lambda x: np.array(['person', 'cup', 'cat']), 'classes: cat: 1 of 3 names are not in the truth'),
        ('file_name', lambda x: np.array([f'x{name}' for name in x]), 'no such image in the truth'),
        ('file_name', lambda x: np.repeat(x[:1], len(x)), 'an image is listed twice'),
    ],
)
def test_a_broken_npz(name, value, line, vrd, tmp_path, capsys):
    old = np.load(vrd / 'found.npz')[name]
    path = changed(vrd, tmp_path, **{name: None if value is None else value(old)})
    assert re.search(line, refused(capsys, '--task', 'vrd', '--gt', vrd / 'truth.json', '--predictions', path))


def test_files_that_are_not_what_they_should_be(vrd, tmp_path, capsys):
    gt, other = vrd / 'truth.json', tmp_path / 'other.json'
    for content, line in (
        ('[', 'not readable as json'),
        ('[]', 'not a form'),
        ('[{"a": 1}]', 'a form'),
        ('3', 'a form'),
    ):
        other.write_text(content)
        assert line in refused(capsys, '--task', 'vrd', '--gt', gt, '--predictions', other)
    (tmp_path / 'x.npz').write_bytes(b'PK nothing')
    assert 'not readable as npz' in refused(capsys, '--task', 'vrd', '--gt', gt, '--predictions', tmp_path / 'x.npz')
    np.save(tmp_path / 'x.npy', np.zeros(3))
    (tmp_path / 'x.npy').rename(tmp_path / 'x.npz')
    assert 'not readable as npz' in refused(capsys, '--task', 'vrd', '--gt', gt, '--predictions', tmp_path / 'x.npz')
    (tmp_path / 'x.pkl').write_bytes(b'\x80\x02nothing')
    assert 'the task vcoco' in refused(capsys, '--task', 'vrd', '--gt', gt, '--predictions', tmp_path / 'x.pkl')
    assert 'not found' in refused(capsys, '--task', 'vrd', '--gt', gt, '--predictions', tmp_path / 'none.json')
    assert 'neither predictions.json' in refused(capsys, '--task', 'vrd', '--gt', gt, '--predictions', tmp_path)
    other.write_text('{"a": 1}')
    for task in ('vrd', 'hico', 'psg', 'vg', 'openimages', 'map', 'vcoco', 'vrd-predicate'):
        line = refused(capsys, '--task', task, '--gt', other, '--predictions', vrd / 'found.npz')
        assert str(tmp_path) in line, task


def test_options_that_a_task_has_not_are_refused(vrd, capsys):
    words = ('--task', 'vrd', '--gt', vrd / 'truth.json', '--predictions', vrd / 'found.npz')
    for more, line in (
        (('--known-labels', 'anno.mat'), '--known-labels: the task vrd has no such figure'),
        (('--zero-shot', 'uo'), '--zero-shot: the task vrd'),
        (('--by-class',), '--by-class: the task vrd'),
        (('--train', vrd / 'truth.json'), '--train: used by --zero-shot and the tasks vg, psg'),
    ):
        assert line in refused(capsys, *words, *more)
    with pytest.raises(SystemExit) as stop:
        detplug(['evaluate-relations', *map(str, words), '--frame', '600'])
    assert stop.value.code == 2


@pytest.mark.parametrize(
    ('change', 'line'),
    [
        (lambda x: x[0].pop('hoi_prediction'), 'not a form that is known'),
        (lambda x: x[1].pop('predictions'), r'\[1\].predictions: missing'),
        (lambda x: x.append(x[0]), 'is listed twice'),
        (lambda x: x[0].update(file_name='z.jpg'), 'no such image'),
        (
            lambda x: x[0].update(hoi_prediction=[dict(subject_id=99, object_id=0, category_id=1, score=1)]),
            'subject_id',
        ),
        (
            lambda x: x[0].update(hoi_prediction=[dict(subject_id=0, object_id=0, category_id=9, score=1)]),
            'category_id: 9',
        ),
        (lambda x: x[0].update(predictions=[dict(bbox=[0, 0, 1], category_id=1)], hoi_prediction=[]), 'bbox'),
    ],
)
def test_broken_ppdm_json(change, line, tmp_path, capsys):
    data = RelationSet(small_names('hico'), [one_pair(1), one_pair(2)])
    for image in data.images:
        image.labels = np.array([data.names.objects.index(name) for name in ('person', 'cup')])
    content = ppdm(data, [truth_as_result(image) for image in data.images], 'coco')
    change(content)
    (tmp_path / 'found.json').write_text(json.dumps(content))
    gt = write_truth(tmp_path, data)
    assert re.search(line, refused(capsys, '--task', 'hico', '--gt', gt, '--predictions', tmp_path / 'found.json'))


@pytest.mark.parametrize(
    ('change', 'line'),
    [
        (lambda x: x['0'].pop('bbox'), '0.bbox: missing'),
        (lambda x: x['0']['bbox_labels'].__setitem__(0, 0), 'bbox_labels: 0 is none of 1'),
        (lambda x: x['0']['bbox_scores'].pop(), 'not of one length'),
        (lambda x: x['0'].update(rel_pairs=[[0, 99]]), 'rel_pairs: 99'),
        (lambda x: x.update({'77': x['0']}), '77 is none of'),
    ],
)
def test_broken_scene_graph_json(change, line, tmp_path, capsys):
    data = RelationSet(small_names('vg'), [one_pair(1), one_pair(2)])
    path = scene_graph_files(tmp_path, data, [truth_as_result(image) for image in data.images], False)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    assert line in refused(capsys, '--task', 'vg', '--gt', write_truth(tmp_path, data), '--predictions', path)


def test_leakage_is_refused(real_data, tmp_path, capsys):
    gt = real_data('hico') / 'instances_test2015.json'  # as its own training set it has every class
    write_npz(tmp_path / 'none.npz', [one_pair()], [truth_as_result(one_pair())], small_names('vrd'))
    words = ('--task', 'hico', '--gt', gt, '--predictions', tmp_path / 'none.npz', '--zero-shot', 'uv', '--train', gt)
    assert 'of 84 unseen classes, first inspect airplane' in refused(capsys, *words)
