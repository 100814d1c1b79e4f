"""Mean average precision of a bundle and of its torch model on a split of the config, on the same road."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config

from detplug.evaluation.coco_ap import NO_OBJECTS, box_metrics
from detplug.evaluation.image_result import ImageResult, truth_arrays
from detplug.export.images import split_items
from detplug.images.reading import read_image
from detplug.runtime.detections import Detections
from detplug.runtime.engine import Engine
from detplug.runtime.onnx_engine import OnnxEngine


def mean_precision(engines: dict[str, Engine], cfg: Config, split: str = 'val', most: int | None = None) -> dict:
    """``NAME: mAP`` (0 to 1; None for images without objects) of each engine, and ``images``, their number.

    Args:
        most: images at most, drawn by a fixed seed; None: all of the split whose files are there.

    Raises:
        UserError: the split is missing or its files are.
    """
    items = labelled_items(cfg, split, most)
    maps = {}
    for name, engine in engines.items():
        value = _metrics(engine, items, cfg, split)['map'] if items else NO_OBJECTS
        maps[name] = None if value == NO_OBJECTS else value
    return maps | {'images': len(items)}


def bundle_metrics(folder: Path, cfg: Config, split: str = 'test') -> dict[str, float]:
    """Every figure of ``box_metrics`` of a bundle on a split, all of its images; 0 to 1.

    Raises:
        UserError: the split is missing or its files are.
    """
    return _metrics(OnnxEngine(folder, 'cpu'), labelled_items(cfg, split), cfg, split)


def labelled_items(cfg: Config, split: str, most: int | None = None) -> list[dict]:
    """Images of the split whose files are there, at most ``most``; none where the split has no labels."""
    items = drawn([item for item in split_items(cfg, split) if Path(item['img_path']).is_file()], most)
    return items if all('instances' in item for item in items) else []


def _metrics(engine: Engine, items: Sequence[dict], cfg: Config, split: str) -> dict[str, float]:
    results = [_result(engine([read_image(item['img_path'], engine.window)])[0], item) for item in items]
    return box_metrics(results, engine.names, detections_that_count(cfg, split))


def bundle_map(folder: Path, cfg: Config, split: str = 'val', most: int | None = None) -> tuple[float | None, int]:
    """mAP (0 to 1; None for images without objects) of a bundle, and the number of images it was evaluated on.

    Raises:
        UserError: the split is missing or its files are.
    """
    precisions = mean_precision({'map': OnnxEngine(folder, 'cpu')}, cfg, split, most)
    return precisions['map'], precisions['images']


def drawn(items: Sequence[dict], most: int | None, seed: int = 0) -> list[dict]:
    """At most ``most`` of the items, drawn without replacement, in their order."""
    if most is None or len(items) <= most:
        return list(items)
    return [items[i] for i in sorted(np.random.default_rng(seed).permutation(len(items))[:most])]


def detections_that_count(cfg: Config, split: str) -> int:
    """Of a class in an image, by the evaluator of the split; 300 where it states none."""
    metrics = cfg.get(f'{split}_evaluator') or {}
    stated = [x['max_dets'] for x in (metrics if isinstance(metrics, list | tuple) else [metrics]) if 'max_dets' in x]
    return int(stated[0]) if stated else 300


def _result(detections: Detections, item: dict) -> ImageResult:
    return ImageResult(
        item['img_id'],
        item['img_path'],
        item['width'],
        item['height'],
        *truth_arrays(item['instances']),
        detections.boxes,
        detections.labels,
        detections.scores,
    )
