"""Annotations of PSG, Visual Genome (RelTR) and OpenImages, on generated files; zero-shot recall by the command."""

import json
from pathlib import Path

import numpy as np
import pytest
from sabra_evaluator_cases import small_set

from detplug.cli.main import main as detplug
from detplug.errors import UserError
from plugins.sabra.evaluator.detplug_predictions import write_npz
from plugins.sabra.evaluator.truth import read_truth
from plugins.sabra.metrics.protocols import evaluate


def psg_file(folder: Path, data) -> Path:
    """psg.json with dog as stuff; the last image with relations is of the training; first relations twice."""
    entries = [
        dict(
            image_id=str(image.img_id),
            file_name=image.file_name,
            width=image.width,
            height=image.height,
            annotations=[
                dict(bbox=box, category_id=label)
                for box, label in zip(image.boxes.tolist(), image.labels.tolist(), strict=True)
            ],
            relations=[*image.relations[:1].tolist(), *image.relations.tolist()],
        )
        for image in data.images
    ]
    names = data.names
    content = dict(data=entries, thing_classes=names.objects[:2], stuff_classes=names.objects[2:])
    content |= dict(
        predicate_classes=names.predicates,
        test_image_ids=[str(x.img_id) for x in data.images if x is not last_of(data)],
    )
    (folder / 'psg.json').write_text(json.dumps(content))
    return folder / 'psg.json'


def reltr_files(folder: Path, data) -> Path:
    """test.json and rel.json."""
    boxes = [
        dict(image_id=image.img_id, category_id=label + 1, bbox=[x1, y1, x2 - x1, y2 - y1])
        for image in data.images
        for (x1, y1, x2, y2), label in zip(image.boxes.tolist(), image.labels.tolist(), strict=True)
    ]
    for number, box in enumerate(boxes):
        box['id'] = number + 1
    content = dict(
        images=[dict(id=x.img_id, file_name=x.file_name, width=x.width, height=x.height) for x in data.images],
        categories=[dict(id=k, name=name) for k, name in enumerate(data.names.objects, 1)],
        annotations=boxes,
    )
    (folder / 'test.json').write_text(json.dumps(content))
    relations = {str(x.img_id): (x.relations + [0, 0, 1]).tolist() for x in data.images}
    content = dict(test=relations, rel_categories=['__background__', *data.names.predicates])
    (folder / 'rel.json').write_text(json.dumps(content))
    return folder / 'test.json'


def openimages_files(folder: Path, data) -> Path:
    """vrd-test-anno.json and categories_dict.json."""
    entries = [
        dict(
            img_fn=Path(image.file_name).stem,
            img_size=[image.width, image.height],
            bbox=image.boxes.tolist(),
            det_labels=image.labels.tolist(),
            rel=image.relations.tolist(),
        )
        for image in data.images
    ]
    (folder / 'vrd-test-anno.json').write_text(json.dumps(entries))
    content = dict(obj=data.names.objects, rel=data.names.predicates)
    (folder / 'categories_dict.json').write_text(json.dumps(content))
    return folder / 'vrd-test-anno.json'


FORMS = {'psg': psg_file, 'vg': reltr_files, 'openimages': openimages_files}


def expected_images(task, data):
    if task != 'psg':
        return data.images
    return [image for image in data.images if len(image.relations) and image is not last_of(data)]


def last_of(data):
    """The last image with relations."""
    return [image for image in data.images if len(image.relations)][-1]


@pytest.mark.parametrize('task', FORMS)
def test_what_was_written_is_read(task, tmp_path):
    data, _ = small_set(task)
    found = read_truth(FORMS[task](tmp_path, data), task)
    assert (found.names.objects, found.names.predicates) == (data.names.objects, data.names.predicates)
    images = expected_images(task, data)
    assert [image.file_name for image in found.images] == [image.file_name for image in images]
    for image, want in zip(found.images, images, strict=True):
        np.testing.assert_array_equal(image.boxes, want.boxes)
        np.testing.assert_array_equal(image.labels, want.labels)
        rows = want.relations
        if task == 'psg':  # a relation that is written twice counts once
            rows = rows[np.sort(np.unique(rows, axis=0, return_index=True)[1])]
        np.testing.assert_array_equal(image.relations, rows)
        assert (image.width, image.height) == (want.width, want.height)


@pytest.mark.parametrize('task', FORMS)
def test_the_command_gives_the_figures(task, tmp_path):
    data, results = small_set(task)
    gt, images = FORMS[task](tmp_path, data), expected_images(task, data)
    kept = {image.img_id for image in images}
    chosen = [result for image, result in zip(data.images, results, strict=True) if image.img_id in kept]
    write_npz(tmp_path / 'found.npz', images, chosen, data.names)
    words = ['evaluate-relations', '--task', task, '--gt', gt, '--predictions', tmp_path / 'found.npz']
    words += ['--out', tmp_path / 'o', '--by-class']
    assert detplug(list(map(str, words))) == 0
    figures = json.loads((tmp_path / 'o').read_text())['figures']
    truth = read_truth(gt, task)
    assert figures == pytest.approx(evaluate(task, truth.images, chosen, truth.names, dict(by_class=True)))
    assert any('/hold' in name for name in figures)


def test_zero_shot_recall_counts_what_the_training_has_not(tmp_path):
    data, results = small_set('psg', images=30)
    gt = psg_file(tmp_path, data)
    test, train = read_truth(gt, 'psg'), read_truth(gt, 'psg', 'train')
    assert len(train.images) == 1 and len(test.images) > 5
    results = [
        result for image, result in zip(data.images, results, strict=True) if image in expected_images('psg', data)
    ]
    write_npz(tmp_path / 'found.npz', test.images, results, data.names)
    words = ['evaluate-relations', '--task', 'psg', '--gt', gt, '--predictions', tmp_path / 'found.npz']
    assert detplug(list(map(str, [*words, '--train', gt, '--out', tmp_path / 'o']))) == 0
    figures = json.loads((tmp_path / 'o').read_text())['figures']
    assert 'zs_r20' in figures and figures['zs_r20'] != figures['r20']


@pytest.mark.parametrize(
    ('task', 'file', 'change', 'line'),
    [
        ('psg', 'psg.json', lambda x: x.pop('predicate_classes'), 'predicate_classes: missing'),
        ('psg', 'psg.json', lambda x: x['data'][0].pop('annotations'), r'data\[0\].annotations: missing'),
        ('psg', 'psg.json', lambda x: x.update(test_image_ids=[]), 'no images of the split test'),
        ('vg', 'rel.json', lambda x: x.pop('test'), 'test: missing'),
        ('vg', 'rel.json', lambda x: x['test'].pop('3'), r'test.3: missing'),
        ('vg', 'rel.json', lambda x: x['test'].update({'3': [[0, 0, 3]]}), 'predicates: 3 is none of 1 to 2'),
        ('vg', 'rel.json', lambda x: x['test'].update({'3': [[0, 0]]}), 'not rows of subject'),
        ('openimages', 'categories_dict.json', lambda x: x.pop('rel'), 'rel: missing'),
        ('openimages', 'vrd-test-anno.json', lambda x: x[2].update(rel=[[0, 44, 0]]), r'\[2\].*44 is none of'),
        ('openimages', 'vrd-test-anno.json', lambda x: x[2].update(img_size=[3]), 'img_size: not width and height'),
        ('openimages', 'vrd-test-anno.json', lambda x: x[2].update(bbox=[[0, 1, None, 3]]), 'boxes'),
    ],
)
def test_broken_files(task, file, change, line, tmp_path):
    data, _ = small_set(task)
    gt = FORMS[task](tmp_path, data)
    content = json.loads((tmp_path / file).read_text())
    change(content)
    (tmp_path / file).write_text(json.dumps(content))
    with pytest.raises(UserError, match=line):
        read_truth(gt, task)
