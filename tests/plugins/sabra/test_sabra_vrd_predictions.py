"""VRD by the command: result files of Lu et al.'s scripts (generated), official counts of the real test split."""

import json

import numpy as np
import pytest
from sabra_evaluator_cases import small_set, write_truth
from scipy.io import savemat

from detplug.cli.main import main as detplug
from plugins.sabra.evaluator.detplug_predictions import write_npz
from plugins.sabra.evaluator.truth import read_truth
from plugins.sabra.metrics.protocols import evaluate
from plugins.sabra.relations import RelationSet, truth_as_result


def cells(arrays):
    """(1, I) cell array."""
    out = np.empty((1, len(arrays)), object)
    for place, array in enumerate(arrays):
        out[0, place] = array
    return out


def mat_files(folder, images, results, changes=()):
    """The result file, images in reverse order, and imagePath.mat."""
    rows = []
    for result in results[::-1]:
        subject, target, predicate = result.triplets.T
        labels = np.column_stack([result.labels[subject], predicate, result.labels[target]]) + 1
        rows.append((labels, result.triplet_scores[:, None], result.boxes[subject], result.boxes[target]))
    names = ('rlp_labels_ours', 'rlp_confs_ours', 'sub_bboxes_ours', 'obj_bboxes_ours')
    content = {name: cells(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    savemat(folder / 'relationship_det_result.mat', content | dict(changes))
    savemat(folder / 'imagePath.mat', dict(imagePath=cells([image.file_name for image in images[::-1]])))
    return folder / 'relationship_det_result.mat'


def run(task, gt, path, out):
    words = ['evaluate-relations', '--task', task, '--gt', gt, '--predictions', path, '--out', out]
    status = detplug(list(map(str, words)))
    return status, json.loads(out.read_text())['figures'] if out.exists() else None


def test_relationships_of_the_scripts(tmp_path):
    data, results = small_set('vrd', images=30)
    pairs = [(x, y) for x, y in zip(data.images, results, strict=True) if distinct(y)]
    images, results = (list(column) for column in zip(*pairs, strict=True))
    assert len(images) > 10 and any(not len(result.triplets) for result in results)
    path = mat_files(tmp_path, images, results)
    data = RelationSet(data.names, images)
    status, figures = run('vrd', write_truth(tmp_path, data), path, tmp_path / 'o')
    want = evaluate('vrd', images, results, data.names)
    assert status == 0 and 0 < want['relationship_r50_k1'] < want['relationship_r50_k70']
    assert figures == pytest.approx(want)


def distinct(result):
    """No two boxes of a class are equal."""
    rows = np.column_stack([result.labels, result.boxes])
    return len(np.unique(rows, axis=0)) == len(rows)


def twice(result):
    """Every prediction once more."""
    triplets, scores = np.repeat(result.triplets, 2, axis=0), np.repeat(result.triplet_scores, 2)
    return type(result)(result.boxes, result.labels, result.scores, triplets, scores)


def test_predicates_of_the_scripts_by_both_counts(tmp_path):
    data, _ = small_set('vrd', images=12)
    rng = np.random.default_rng(0)
    truth = [truth_as_result(image) for image in data.images]
    for result in truth:
        result.triplets[:, 2] = rng.integers(0, len(data.names.predicates), len(result.triplets))
        result.triplet_scores[:] = rng.permutation(len(result.triplets)) / 100
    path = mat_files(tmp_path, data.images, [twice(result) for result in truth])
    status, figures = run('vrd-predicate', write_truth(tmp_path, data), path, tmp_path / 'o')
    assert status == 0 and 0 < figures['predicate_r50_k1'] < 1
    assert figures == pytest.approx(evaluate('vrd_predicate', data.images, truth, data.names))


@pytest.mark.parametrize(
    ('task', 'changes', 'line'),
    [
        ('vrd', dict(rlp_labels_ours=np.zeros(3)), 'rlp_labels_ours: no cell array'),
        ('vrd', dict(rlp_confs_ours=cells([np.zeros(1)])), 'rlp_confs_ours: 1 cells for 5 images'),
        ('vrd', dict(rlp_confs_ours=cells([np.zeros(99)] * 5)), '99 scores for'),
        ('vrd', dict(rlp_labels_ours=cells([np.full((9, 3), 44)] * 5)), '44 is none of 1 to'),
        ('vrd-predicate', {}, 'a box is none of the truth'),
        ('map', {}, 'read for the tasks vrd and vrd-predicate'),
    ],
)
def test_broken_files_are_one_line(task, changes, line, tmp_path, capsys):
    data, results = small_set('vrd', images=5)
    if 'rlp_labels_ours' in changes:
        sizes = {name: cells([np.ones((9, n))] * 5) for name, n in (('sub_bboxes_ours', 4), ('obj_bboxes_ours', 4))}
        changes = sizes | dict(rlp_confs_ours=cells([np.ones(9)] * 5)) | changes
    path = mat_files(tmp_path, data.images, results, changes)
    status, _ = run(task, write_truth(tmp_path, data), path, tmp_path / 'o')
    lines = capsys.readouterr().err.splitlines()
    assert status == 2 and len(lines) == 1 and line in lines[0]


def test_without_the_order_of_the_images_nothing_is_guessed(tmp_path, capsys):
    data, results = small_set('vrd', images=5)
    path = mat_files(tmp_path, data.images, results)
    (tmp_path / 'imagePath.mat').unlink()
    assert run('vrd', write_truth(tmp_path, data), path, tmp_path / 'o')[0] == 2
    assert 'imagePath.mat: not found' in capsys.readouterr().err


def best_where_repeated(image):
    """The truth as a prediction; of a pair's predicates the one that is annotated most often scores most."""
    result = truth_as_result(image)
    if len(image.relations):
        result.triplet_scores[:] = np.unique(image.relations, axis=0, return_counts=True)[1] / 100
    return result


def test_official_counts_of_the_real_test_split(real_data, tmp_path):
    """7,638 relations, of which 160 repeat another and a pair may have several: the best that k = 1 allows."""
    gt = real_data('vrd') / 'annotations_test.json'
    data = read_truth(gt, 'vrd')
    results = [best_where_repeated(image) for image in data.images]
    write_npz(tmp_path / 'truth.npz', data.images, results, data.names)
    _, figures = run('vrd-predicate', gt, tmp_path / 'truth.npz', tmp_path / 'o')
    assert figures['predicate_r100_k70'] == 7478 / 7638
    assert figures['predicate_r100_k1'] == pytest.approx(0.8911, abs=5e-5)
    assert figures['predicate_official_r100_k1'] == pytest.approx(0.9118, abs=5e-5)
    assert figures['predicate_official_r100_k70'] == 1
