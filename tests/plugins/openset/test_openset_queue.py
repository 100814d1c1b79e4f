"""The queue ``strangest`` of a checkpoint, refused before anything is predicted without OOD scores; its recall."""

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from tiny_open_set import build_detector, config

from detplug.engine.torch_engine import TorchEngine
from detplug.errors import UserError
from detplug.export.pipeline import prediction_steps
from detplug.images.sources import list_items
from detplug.runtime.review_queue import check_order, first_boxes, orders
from detplug.runtime.run_folder import open_run
from detplug.runtime.shard import Settings, predict_shard
from plugins.openset.metrics import OpenSetMetric
from plugins.openset.scores import Head


def engine_of(mode: str, tmp_path, fitted: bool) -> TorchEngine:
    model = build_detector(mode).eval()
    model.dataset_meta = dict(classes=('red', 'green', 'unknown'))
    if fitted:
        for part, calibration, layer in zip(model.ood.scorers, model.ood.calibrations, model.probe.layers, strict=True):
            z = torch.randn(60, part.width).relu()
            logits = Head(*layer).logits(z)
            part.fit(z, logits, logits.argmax(1), layer)
            calibration.fit(part(z, logits), logits.argmax(1))
        model.ood.fitted[:] = True
    return TorchEngine(model, prediction_steps(config(tmp_path)))


@pytest.mark.parametrize(('mode', 'fitted'), [('closed', False), ('oodfc', False), ('oodfc', True)])
def test_a_checkpoint_without_ood_scores_is_refused(mode, fitted, tmp_path):
    engine = engine_of(mode, tmp_path, fitted)
    check_order(orders()['uncertain'], engine)
    if fitted:
        check_order(orders()['strangest'], engine)
        return
    with pytest.raises(UserError, match='--queue strangest: this detector gives no ood_scores.*--queue uncertain'):
        check_order(orders()['strangest'], engine)


TRUTH = np.array([[10, 10, 26, 26], [38, 38, 54, 54], [10, 38, 26, 54], [38, 10, 54, 26.0]])  # two of them unknown


class Drawn:
    """An engine whose boxes are drawn at random: several on an object, OOD scores are often equal."""

    names, device, batch, window = ('egg', 'unknown'), 'cpu', 4, None
    fields = ('ood_scores',)

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def __call__(self, images):
        from detplug.runtime.detections import Detections

        detections = []
        for _ in images:
            boxes = (TRUTH[self.rng.integers(0, 4, 30)] + self.rng.normal(0, 2, (30, 4))).astype(np.float32)
            scores = np.sort(self.rng.random(30))[::-1].astype(np.float32)
            ood = self.rng.integers(0, 5, 30) / 4
            detections.append(Detections(boxes, scores, self.rng.integers(0, 2, 30), self.names, dict(ood_scores=ood)))
        return detections


def test_queue_recall_is_that_of_the_queue_which_predict_writes(tmp_path):
    import cv2

    for i in range(20):
        cv2.imwrite(str(tmp_path / f'{i:02d}.png'), np.zeros((64, 64, 3), np.uint8))
    items = list_items([str(tmp_path)])
    run = open_run(tmp_path / 'out', items, Settings(score_thr=0.05), {})
    for number in run.shards:
        part = run.items.part_of(number * run.shard_size, run.shard_size)
        predict_shard(Drawn(), Settings(score_thr=0.05), run.out, number, part, [item.number for item in part])
    engine = Drawn()
    samples = []
    for number in range(20):
        if number % run.shard_size == 0:
            engine = Drawn()  # each shard began with a fresh one
        (detections,) = engine([None])
        instances = InstanceData(
            bboxes=detections.boxes, labels=detections.labels, scores=detections.scores, **detections.fields
        )
        samples.append(
            dict(
                img_id=number, img_path=f'{number}', ori_shape=(64, 64), pred_instances=dict(instances.items()),
                instances=[], unknown_instances=[dict(bbox=box.tolist(), ignore_flag=0) for box in TRUTH[:2]],
            )
        )  # fmt: skip
    metric = OpenSetMetric()
    metric.dataset_meta = dict(classes=('egg',))
    metric.process({}, samples)
    recalled = set()
    for place in first_boxes(run, orders()['strangest'], 100):
        row = place.values
        box = np.array([row['x'], row['y'], row['x'] + row['width'], row['y'] + row['height']])
        for k, target in enumerate(TRUTH[:2]):
            side = np.minimum(box[2:], target[2:]) - np.maximum(box[:2], target[:2])
            common = np.prod(side.clip(0))
            if common >= 0.5 * (np.prod(box[2:] - box[:2]) + np.prod(target[2:] - target[:2]) - common):
                recalled.add((row['file_name'], k))
    assert 20 < len(recalled) < 40
    assert metric.evaluate(20)['queue_recall'] == pytest.approx(len(recalled) / 40)
