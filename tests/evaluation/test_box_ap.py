"""BoxAP takes data samples as mmengine's evaluator gives them and loses no image."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import METRICS
from mmdet.structures import DetDataSample
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData

from detplug.engine.distributed import leave_group
from detplug.errors import UserError
from detplug.evaluation import box_ap


def data_sample(img_id, truth=((10, 10, 40, 40),), labels=(0,), ignored=None, **meta):
    ignored = ignored or [0] * len(labels)
    instances = [
        dict(bbox=list(b), bbox_label=k, ignore_flag=f) for b, k, f in zip(truth, labels, ignored, strict=True)
    ]
    sample = DetDataSample(
        metainfo=dict(
            img_id=img_id, img_path=f'{img_id}.png', ori_shape=(64, 96), img_shape=(32, 48), instances=instances
        )
        | meta
    )
    sample.pred_instances = InstanceData(
        bboxes=torch.tensor(truth, dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor(labels, dtype=torch.int64),
        scores=torch.ones(len(labels)),
        embedding=torch.ones(len(labels), 5),
    )
    return sample


def evaluator(classes=('egg', 'worm'), **arguments):
    made = Evaluator(box_ap.BoxAP(**arguments))
    made.dataset_meta = dict(classes=classes)
    return made


def test_truth_as_prediction_through_the_evaluator():
    made = evaluator()
    made.process([data_sample(7), data_sample(3, [], [])])
    made.process([data_sample(5, [[0, 0, 20, 20], [30, 30, 60, 60]], [1, 0])])
    metrics = made.evaluate(3)
    assert metrics['map'] == metrics['ap/egg'] == metrics['ap50/worm'] == 1.0
    images = made.metrics[0].images
    assert [x.img_id for x in images] == [3, 5, 7]
    assert (images[0].width, images[0].height, images[0].img_path) == (96, 64, '3.png')
    assert images[1].gt_areas.tolist() == [400, 900]
    assert images[1].extra['embedding'].shape == (2, 5)


def test_the_area_of_the_data_set_beats_the_area_of_the_box():
    instances = [dict(bbox=[0, 0, 50, 50], bbox_label=0, ignore_flag=0, area=100.0)]
    made = evaluator()
    made.process([data_sample(1, [[0, 0, 50, 50]], [0], instances=instances)])
    assert 'map_s' in made.evaluate(1)


def test_a_second_evaluation_starts_afresh():
    made = evaluator()
    for _ in range(2):
        made.process([data_sample(1)])
        assert made.evaluate(1)['map'] == 1.0
        assert len(made.metrics[0].images) == 1


@pytest.mark.parametrize('key', ['instances', 'img_id', 'ori_shape'])
def test_a_missing_meta_key_is_one_line_that_names_it(key):
    sample = data_sample(1)
    sample = {name: value for name, value in sample.to_dict().items() if name != key}
    with pytest.raises(UserError, match=f"add '{key}' to its meta_keys") as error:
        evaluator().process([sample])
    assert '\n' not in str(error.value)


def test_a_missing_image_is_an_error_that_counts():
    made = evaluator()
    made.process([data_sample(1), data_sample(2)])
    with pytest.raises(UserError, match='3 of 5 images were not evaluated'):
        made.evaluate(5)


def test_two_files_under_one_id_are_an_error():
    made = evaluator()
    made.process([data_sample(1), data_sample(1, img_path='other.png')])
    with pytest.raises(UserError, match='img_id 1: stands for 1.png and other.png'):
        made.evaluate(2)


def test_a_label_beyond_the_classes_is_an_error_unless_ignored():
    made = evaluator()
    made.process([data_sample(1, [[0, 0, 9, 9], [20, 20, 40, 40]], [-1, 0], ignored=[1, 0])])
    assert made.evaluate(1)['map'] == 1.0
    made.process([data_sample(1, labels=(2,))])
    with pytest.raises(UserError, match='bbox_label: 2 is none of the 2 classes'):
        made.evaluate(1)


def random_samples(count=10):
    rng = np.random.default_rng(0)
    samples = [
        data_sample(i, rng.uniform(0, 30, (3, 4)) + [0, 0, 31, 31], rng.integers(0, 2, 3).tolist())
        for i in range(count)
    ]
    for sample in samples:
        sample.pred_instances.scores = torch.from_numpy(rng.random(3))
        sample.pred_instances.bboxes += torch.from_numpy(rng.normal(0, 2, (3, 4))).float()
    return samples


@pytest.mark.parametrize('processes', [2, 3, 4])
def test_processes_share_the_images_and_padding_is_dropped(monkeypatch, processes):
    """What DefaultSampler gives each rank: indices rank::processes, padded by repeating the first ones."""
    samples = random_samples()
    alone = evaluator()
    alone.process(samples)
    expected = alone.evaluate(10)

    total = -(-10 // processes) * processes
    parts = []
    for rank in range(processes):
        one = evaluator()
        one.process([samples[i % 10] for i in range(total)][rank:total:processes])
        parts.append(one.metrics[0].results)
    monkeypatch.setattr(box_ap, 'all_gather_object', lambda local: parts)
    assert evaluator().evaluate(10) == expected
    parts.pop()
    with pytest.raises(UserError, match='images were not evaluated'):
        evaluator().evaluate(10)


def one_process(rank: int, store: str, folder: str) -> None:
    torch.distributed.init_process_group('gloo', init_method=f'file://{store}', rank=rank, world_size=2)
    try:
        compare_with_one(rank, folder)
    finally:
        leave_group()  # a child that ends with gloo's threads running may abort


def compare_with_one(rank: int, folder: str) -> None:
    samples = random_samples(5)
    made = evaluator()
    made.process([samples[i % 5] for i in range(rank, 6, 2)])
    figures = made.evaluate(5)
    made.process(samples[rank : rank + 1])
    with pytest.raises(UserError, match='3 of 5'):  # on both, so that none waits for the other
        made.evaluate(5)
    Path(folder, f'{rank}.json').write_text(json.dumps(figures))


def test_two_real_processes_give_the_figures_of_one(tmp_path):
    alone = evaluator()
    alone.process(random_samples(5))
    torch.multiprocessing.spawn(one_process, (str(tmp_path / 'store'), str(tmp_path)), nprocs=2)
    expected = alone.evaluate(5)
    assert [json.loads((tmp_path / f'{rank}.json').read_text()) for rank in range(2)] == [expected, expected]


def test_text_and_number_ids_and_a_prefix():
    made = evaluator(prefix='known')
    made.process([data_sample('b'), data_sample('a'), data_sample(np.int64(2))])
    assert made.evaluate(3)['known/map'] == 1.0
    assert [x.img_id for x in made.metrics[0].images] == [2, 'a', 'b']


def test_a_limit_below_one_is_an_error():
    with pytest.raises(UserError, match='max_dets is 0'):
        box_ap.BoxAP(max_dets=0)


def test_configs_find_it_by_name():
    assert METRICS.module_dict['BoxAP'] is box_ap.BoxAP
