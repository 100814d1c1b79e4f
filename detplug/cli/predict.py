"""``predict CONFIG CHECKPOINT PATHS... --out D``: pictures with boxes, and predictions.json."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    import cv2
    import torch
    from mmcv.transforms import Compose
    from mmengine.config import Config
    from rich.progress import track

    import detplug.register  # noqa: F401
    from detplug.cli.config import load_config
    from detplug.cli.detector import build_detector
    from detplug.cli.inputs import find_images
    from detplug.errors import UserError
    from detplug.report.drawing import draw_boxes


def main(argv: Sequence[str] | None = None) -> int:
    """Predict every picture; returns the exit status."""
    parser = argparse.ArgumentParser(prog='predict', description=__doc__)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('paths', nargs='+', help='pictures, folders or globs')
    parser.add_argument('--out', required=True, help='folder for the pictures and predictions.json')
    parser.add_argument('--score-thr', type=float, default=0.25, help='lowest score that is kept, 0 to 1')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE')
    args = parser.parse_args(argv)
    config = load_config(args.config, args.cfg_options)
    images = find_images(args.paths)
    model = build_detector(config, args.checkpoint)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    rows = predict_images(model, config, images, out, args.score_thr)
    (out / 'predictions.json').write_text(json.dumps(rows, indent=1) + '\n')
    print(f'{len(rows)} boxes in {len(images)} pictures: {out}/predictions.json')
    return 0


def predict_images(
    model: torch.nn.Module, config: Config, images: Sequence[Path], out: Path, score_thr: float
) -> list[dict]:
    """Write a picture for every image into ``out`` and return all boxes in the COCO result format.

    Each row: image_id (position in ``images``, from 1), file_name, category_id (label + 1), category_name,
    bbox (x, y, width, height; pixels of the original image) and score.
    """
    pipeline = Compose(prediction_pipeline(config))
    classes = model.dataset_meta['classes']
    rows = []
    for image_id, path in enumerate(track(images, 'predict', disable=len(images) < 2), start=1):
        image = cv2.imread(str(path))
        if image is None:
            raise UserError(f'{path}: image does not decode; replace the file')
        data = pipeline(dict(img=image, img_path=str(path), img_id=image_id))
        with torch.inference_mode():
            predicted = model.test_step(dict(inputs=[data['inputs']], data_samples=[data['data_samples']]))
        found = predicted[0].pred_instances
        found = found[found.scores >= score_thr].cpu().numpy()
        picture = draw_boxes(image, found.bboxes, found.labels, found.scores, classes)
        cv2.imwrite(str(out / f'{image_id:04d}_{path.stem}.jpg'), picture)
        for (x1, y1, x2, y2), label, score in zip(
            found.bboxes.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True
        ):
            rows.append(
                dict(
                    image_id=image_id,
                    file_name=str(path),
                    category_id=label + 1,
                    category_name=classes[label],
                    bbox=[round(v, 2) for v in (x1, y1, x2 - x1, y2 - y1)],
                    score=round(score, 5),
                )
            )
    return rows


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
