"""The metric RelationMetric: every image once, in one process and in two."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from mmdet.registry import METRICS
from sabra_metric_cases import (
    META,
    data_sample,
    nothing,
    perfect,
    result_of,
    seven_images,
)
from scipy.io import savemat
from torchrun import run_two

from detplug.errors import UserError
from plugins.sabra.data.vcoco_names import VCOCO
from plugins.sabra.metrics.metric import PROTOCOLS, RelationMetric, as_result, relation_names
from plugins.sabra.metrics.relation_map import relation_map
from plugins.sabra.metrics.vrd import vrd_recall
from plugins.sabra.relations import relation_image

A, B = (0, 0, 10, 10), (20, 0, 30, 10)


def measure(images, results, meta=META, **kwargs):
    metric = METRICS.build(dict(type='RelationMetric', **kwargs))
    metric.dataset_meta = meta
    for image, result in zip(images, results, strict=True):  # batches of one
        metric.process({}, [data_sample(image, result)])
    return metric.evaluate(len(images))


def test_figures_are_those_of_the_functions():
    images, results = seven_images()
    names = relation_names(META)
    expected = relation_map(images, results, names)
    assert 0 < expected['map'] < 1
    assert measure(images, results) == measure(images, results, protocol='map') == expected
    assert measure(images, results, prefix='rel') == {f'rel/{name}': value for name, value in expected.items()}
    recalls = measure(images, results, protocol='vrd', options=dict(tops=(3,), kept=(1,)))
    assert recalls == vrd_recall(images, results, names, tops=(3,), kept=(1,)) and len(recalls) == 2
    assert set(measure(images, perfect(images), protocol='vrd_predicate')) == {
        f'{name}_r{n}_k{k}' for name in ('predicate', 'predicate_official') for n in (50, 100) for k in (1, 10, 70)
    }


def test_order_of_batches_changes_nothing():
    images, results = seven_images()
    assert measure(images[::-1], results[::-1]) == measure(images, results)


def test_vcoco_and_hico_are_perfect():
    person = relation_image('a', 'a.jpg', (99, 99), [A, B], [0, 1], [(0, 1, 0)])
    names = VCOCO
    figures = measure(
        [person], perfect([person]), dict(classes=names.objects, predicates=names.predicates), protocol='vcoco'
    )
    assert figures['role_ap_s1'] == figures['agent_ap'] == 1
    meta = dict(META, triplets=[[1, 0], [1, 1]], rare=[True, False])
    assert measure([person], perfect([person]), meta, protocol='hico') == dict(map_full=1, map_rare=1)


def test_known_labels_are_read_from_the_file(tmp_path):
    path, names = tmp_path / 'anno.mat', ['b.jpg', 'a.jpg']
    labels = np.array([[np.nan, 1], [1, -1]])  # classes x images: a.jpg has a worm with something on it
    savemat(path, dict(list_test=np.array(names, object)[:, None], anno_test=labels))
    meta = dict(META, triplets=[[1, 0], [0, 1]])
    rows = {'a.jpg': [(0, 1, 0)], 'b.jpg': [(0, 1, 0), (1, 1, 0)]}
    images = [relation_image(name, f'images/{name}', (99, 99), [A, B], [0, 1], rows[name]) for name in rows]
    figures = measure(images, perfect(images), meta, protocol='hico', options=dict(known_labels=str(path)))
    assert figures == dict(map_full=1, known_full=pytest.approx(4 / 11))  # 1 of 3: b.jpg has no worm by its labels
    images.append(relation_image('c', 'c.jpg', (99, 99), [], [], []))
    with pytest.raises(UserError, match="1 of 3 images are not in it, first 'c.jpg'"):
        measure(images, perfect(images), meta, protocol='hico', options=dict(known_labels=str(path)))


def test_an_image_that_was_not_evaluated_is_an_error():
    images, results = seven_images()
    metric = RelationMetric()
    metric.dataset_meta = META
    metric.process({}, [data_sample(*pair) for pair in zip(images[:-1], results[:-1], strict=True)])
    with pytest.raises(UserError, match='1 of 7 images were not evaluated'):
        metric.evaluate(7)


def test_two_processes_lose_no_image(tmp_path):
    run_two(Path(__file__).with_name('two_processes_sabra_metric.py'), tmp_path)
    first, second = (json.loads((tmp_path / f'rank_{rank}.json').read_text()) for rank in (0, 1))
    assert first == second
    assert first['images'] == list(range(7))
    assert first['metrics'] == measure(*seven_images())
    assert '1 of 7 images were not evaluated' in first['errors'][0]
    assert 'a predicate is none of the names' in first['errors'][1]  # found by the main process alone


def test_bad_configs_are_named():
    with pytest.raises(
        UserError, match="protocol is 'coco'; choose from hico, vcoco, vrd, vrd_predicate, vg, psg, openimages, map"
    ):
        RelationMetric('coco')
    with pytest.raises(UserError, match="no option 'top'; it has tops, kept"):
        RelationMetric('vrd', options=dict(top=(1,)))
    with pytest.raises(UserError, match="no option 'known_labels'; it has none"):
        RelationMetric('map', options=dict(known_labels='anno.mat'))
    for protocol, option in (('hico', 'known_labels'), ('vcoco', 'pairs_of')):
        with pytest.raises(UserError, match=f'^nowhere/a.b: not found; {option} names .*or set {option}=None$'):
            RelationMetric(protocol, options={option: 'nowhere/a.b'})
        RelationMetric(protocol, options={option: None})
    for key in ('classes', 'predicates'):
        with pytest.raises(UserError, match=f'no {key!r}'):
            relation_names({**META, key: ()})
    for protocol in PROTOCOLS:
        RelationMetric(protocol)


def test_bad_samples_are_named():
    images, results = seven_images()
    for key in ('relation_truth', 'pred_relations'):
        sample = data_sample(images[0], results[0])
        del sample[key]
        with pytest.raises(UserError, match=f'no {key!r}'):
            RelationMetric().process({}, [sample])
    with pytest.raises(UserError, match="no field 'triplets'"):
        as_result(dict(boxes=[], labels=[], scores=[]))
    with pytest.raises(UserError, match=r'boxes has shape \(3,\)'):
        as_result({**vars(nothing()), 'boxes': np.zeros(3)})


def test_objects_mappings_and_lists_are_results():
    result = result_of([A, B], [0, 1], [(0, 1, 0)], [0.5])
    lists = {name: value.tolist() for name, value in vars(result).items()}
    for prediction in (result, vars(result), lists):
        for name, value in vars(as_result(prediction)).items():
            assert value.dtype == getattr(result, name).dtype and value.tolist() == getattr(result, name).tolist()
    assert as_result(dict.fromkeys(lists, [])).boxes.shape == (0, 4)


@pytest.mark.parametrize(('protocol', 'most'), [('vcoco', 0.25e6), ('vrd', 0.1e6)])
def test_triplets_are_forgotten_image_by_image(protocol, most):
    """32 boxes have 30,000 triplets in V-COCO and 69,440 in VRD; kept, they would be .8 and 1.9 MB an image."""
    boxes, rng = 32, np.random.default_rng(0)
    names = VCOCO if protocol == 'vcoco' else None
    classes = names.objects if names else tuple(map(str, range(100)))
    predicates = names.predicates if names else tuple(map(str, range(70)))
    grid = np.meshgrid(range(boxes), range(-1 if names else 0, boxes), range(len(predicates)), indexing='ij')
    triplets = np.stack([axis.ravel() for axis in grid], axis=1)
    metric = RelationMetric(protocol)
    metric.dataset_meta = dict(classes=classes, predicates=predicates)

    def process(img_id):
        corner = rng.uniform(0, 300, (boxes, 2))
        box = np.concatenate([corner, corner + 100], axis=1)
        labels = np.zeros(boxes, int) if names else rng.integers(0, 100, boxes)
        image = relation_image(img_id, f'{img_id}.jpg', (500, 500), box, labels, triplets[rng.integers(0, 900, 5)])
        scores = rng.random(len(triplets)).astype(np.float32)
        found = dict(boxes=box, labels=labels, scores=np.ones(boxes), triplets=triplets, triplet_scores=scores)
        metric.process({}, [dict(relation_truth=image, pred_relations=found)])

    process(0)
    tracemalloc.start()
    for img_id in range(1, 11):
        process(img_id)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    figures = metric.evaluate(11)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held / 10 < most
    assert peak - held < held + 5e6 and figures
    assert all(image.part is None and len(image.result.triplets) == 5 for image in metric.images)
