"""``predict CONFIG CHECKPOINT PATHS... --out D``: pictures with boxes, predictions.json, and relations.json beside."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    import cv2
    import numpy as np
    import torch
    from mmcv.transforms import Compose
    from mmdet.structures import DetDataSample
    from mmengine.config import Config
    from rich.progress import track

    import detplug.register  # noqa: F401
    from detplug.cli.config import load_config
    from detplug.cli.detector import build_detector
    from detplug.cli.inputs import find_images
    from detplug.errors import UserError
    from detplug.export.relations import NO_OBJECT, Relations
    from detplug.report.drawing import draw_boxes
    from detplug.report.relation_drawing import draw_relations


def main(argv: Sequence[str] | None = None) -> int:
    """Predict every picture; returns the exit status."""
    parser = argparse.ArgumentParser(prog='predict', description=__doc__)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('paths', nargs='+', help='pictures, folders or globs')
    parser.add_argument('--out', required=True, help='folder for the pictures and predictions.json')
    parser.add_argument('--score-thr', type=float, default=0.25, help='lowest score that is kept, 0 to 1')
    parser.add_argument('--relation-thr', type=float, default=0.1, help='lowest score of a relation, 0 to 1')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE')
    args = parser.parse_args(argv)
    config = load_config(args.config, args.cfg_options)
    images = find_images(args.paths)
    model = build_detector(config, args.checkpoint)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    boxes, relations = predict_images(model, config, images, out, args.score_thr, args.relation_thr)
    (out / 'predictions.json').write_text(json.dumps(boxes, indent=1) + '\n')
    print(f'{len(boxes)} boxes in {len(images)} pictures: {out}/predictions.json')
    if model.dataset_meta['predicates']:
        (out / 'relations.json').write_text(json.dumps(relations, indent=1) + '\n')
        print(f'{len(relations)} relations: {out}/relations.json')
    return 0


def predict_images(
    model: torch.nn.Module,
    config: Config,
    images: Sequence[Path],
    out: Path,
    score_thr: float,
    relation_thr: float = 0.1,
) -> tuple[list[dict], list[dict]]:
    """Write a picture for every image into ``out``; returns all boxes and all relations.

    A box: image_id (position in ``images``, from 1), file_name, category_id (label + 1), category_name, bbox (x, y,
    width, height; pixels of the original image) and score, as COCO's result format has it. A relation: image_id,
    file_name, subject and object (positions in the list of boxes, from 0; no object in the picture is null),
    predicate_id (label + 1), predicate and score.
    """
    pipeline = Compose(prediction_pipeline(config))
    names = model.dataset_meta
    boxes, relations = [], []
    for image_id, path in enumerate(track(images, 'predict', disable=len(images) < 2), start=1):
        image = cv2.imread(str(path))
        if image is None:
            raise UserError(f'{path}: image does not decode; replace the file')
        data = pipeline(dict(img=image, img_path=str(path), img_id=image_id))
        with torch.inference_mode():
            sample = model.test_step(dict(inputs=[data['inputs']], data_samples=[data['data_samples']]))[0]
        found = sample.pred_instances.cpu().numpy()
        kept = found.scores >= score_thr
        whose = dict(image_id=image_id, file_name=str(path))
        drawn = found.bboxes[kept], found.labels[kept], found.scores[kept], names['classes']
        if 'pred_relations' in sample:
            told = told_relations(sample, kept, relation_thr, names['predicates'])
            relations += [whose | row for row in relation_rows(told, len(boxes))]
            picture = draw_relations(image, *drawn, told.triplets, told.scores, told.names)
        else:
            picture = draw_boxes(image, *drawn)
        boxes += [whose | row for row in box_rows(*drawn)]
        cv2.imwrite(str(out / f'{image_id:04d}_{path.stem}.jpg'), picture)
    return boxes, relations


def box_rows(boxes: np.ndarray, labels: np.ndarray, scores: np.ndarray, classes: Sequence[str]) -> list[dict]:
    """A row of predictions.json for each of (N, 4) boxes."""
    return [
        dict(
            category_id=label + 1,
            category_name=classes[label],
            bbox=[round(v, 2) for v in (x1, y1, x2 - x1, y2 - y1)],
            score=round(score, 5),
        )
        for (x1, y1, x2, y2), label, score in zip(boxes.tolist(), labels.tolist(), scores.tolist(), strict=True)
    ]


def told_relations(sample: DetDataSample, kept: np.ndarray, relation_thr: float, names: Sequence[str]) -> Relations:
    """The relations of at least ``relation_thr`` between the boxes ``kept`` (D,) bool, numbered as those will be."""
    found = sample.pred_relations
    good = found.triplet_scores >= relation_thr
    return Relations(found.triplets[good], found.triplet_scores[good], tuple(names)).between(kept)


def relation_rows(relations: Relations, first: int) -> list[dict]:
    """A row of relations.json for each relation; ``first`` is the position of the image's first box."""
    return [
        dict(
            subject=first + subject,
            object=None if target == NO_OBJECT else first + target,
            predicate_id=predicate + 1,
            predicate=relations.names[predicate],
            score=round(score, 5),
        )
        for (subject, target, predicate), score in zip(
            relations.triplets.tolist(), relations.scores.tolist(), strict=True
        )
    ]


def prediction_pipeline(config: Config) -> list[dict]:
    """The test pipeline of ``config`` without annotations, for an image that is in memory (BGR uint8)."""
    steps = []
    for step in config.test_dataloader.dataset.pipeline:
        if step['type'] == 'LoadImageFromFile':
            step = dict(type='mmdet.LoadImageFromNDArray')
        elif step['type'] == 'LoadAnnotations':
            continue
        elif step['type'] == 'PackDetInputs':
            step = dict(step, meta_keys=tuple(key for key in step['meta_keys'] if key != 'instances'))
        steps.append(step)
    return steps
