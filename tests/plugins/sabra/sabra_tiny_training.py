"""A tiny training of relations on pictures: scenes of 96 px with every degenerate truth, YOLOv5 of width 1/8."""

import json
from dataclasses import replace
from pathlib import Path

from sabra_detector_cases import CHANNELS, VISUAL

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from mmdet.registry import METRICS, RUNNERS

    from detplug.cli.config import load_config
    from plugins.sabra.metrics.metric import RelationMetric
    from plugins.samples.scenes import CLASSES, generate

ROOT = Path(__file__).resolve().parents[3]
SIDE, IMAGES = 96, 7


@METRICS.register_module()
class EveryTriplet(RelationMetric):
    """Keeps all triplets of an image, not only those that a picture shows."""

    def _matched(self, sample, result):
        return replace(super()._matched(sample, result), result=result)


def write_set(folder: Path) -> None:
    """Seven scenes a split: as they are, without object, one object, no relation, no person, all persons, no area."""
    generate(folder, counts=dict(train=IMAGES, val=IMAGES, test=IMAGES), size=SIDE)
    for path in (folder / 'annotations').glob('*.json'):
        data = json.loads(path.read_text())
        numbers = [image['id'] for image in data['images']]
        person, thing = (1 + CLASSES.index(name) for name in ('person', 'box'))
        own = {n: [x for x in data['annotations'] if x['image_id'] == n] for n in numbers}
        own[numbers[1]] = []
        del own[numbers[2]][1:]
        for item in own[numbers[4]]:
            item['category_id'] = thing if item['category_id'] == person else item['category_id']
        for item in own[numbers[5]]:
            item['category_id'] = person
        for item in own[numbers[6]][::2]:
            item.update(bbox=[*item['bbox'][:2], 0, 0], area=0)
        data['annotations'] = [item for items in own.values() for item in items]
        there = {item['id'] for item in data['annotations']}
        data['relations'] = [
            x for x in data['relations'] if {x['subject_id'], x['object_id']} <= there and x['image_id'] != numbers[3]
        ]
        path.write_text(json.dumps(data))


def build(folder: Path, **changes):
    """The runner of configs/sabra/sabra_yolov5n_samples.py, shrunk; ``changes`` as ``key__subkey=value``."""
    options = [f'data_root={folder}/', f'train_cfg.max_iters={IMAGES}', f'train_cfg.val_interval={IMAGES}']
    config = load_config(ROOT / 'configs/sabra/sabra_yolov5n_samples.py', options)
    config = type(config)(json.loads(json.dumps(config.to_dict()).replace('[320, 320]', f'[{SIDE}, {SIDE}]')))
    config.train_dataloader.batch_size, config.test_dataloader.batch_size = 1, 2
    detector = config.model.detector
    detector.backbone.width, detector.neck.in_channels, detector.bbox_head.in_channels = 0.125, CHANNELS, CHANNELS
    head = dict(graph=dict(dims=16, heads=2, class_width=4), dims=16, class_width=4, visual=VISUAL)
    config.model.head.update(head)
    config.model.score_thr = config.model.detector.test_cfg.score_thr = 1e-6  # untrained, it still finds boxes
    config.custom_hooks = [dict(type='RelationHook', interval=3)]
    config.test_evaluator = dict(config.test_evaluator, type='EveryTriplet')
    config.default_hooks.progress = None
    config.default_hooks.anomalies = dict(type='AnomaliesHook', accept=True)  # of the scene without area
    config.update(work_dir=str(folder / 'work'), launcher='none', resume=False, randomness=dict(seed=0))
    config.merge_from_dict({key.replace('__', '.'): value for key, value in changes.items()})
    return RUNNERS.get(config.runner_type).from_cfg(config)


def predictions_of(runner) -> list[list]:
    """Image, boxes, labels, triplets and scores of every image that ``runner`` has evaluated."""
    return [
        [x.img_id, *(getattr(x.result, name).tolist() for name in ('boxes', 'labels', 'triplets', 'triplet_scores'))]
        for x in runner.test_evaluator.metrics[0].images
    ]
