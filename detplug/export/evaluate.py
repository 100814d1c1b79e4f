"""Average precision of a bundle on a split of the config, through the runtime."""

from pathlib import Path

from mmengine.config import Config

from detplug.evaluation.coco_ap import box_metrics
from detplug.evaluation.image_result import ImageResult, truth_arrays
from detplug.export.images import split_items
from detplug.export.runtime import Detector


def bundle_map(folder: Path, cfg: Config, split: str = 'val') -> tuple[float, int]:
    """mAP (0 to 1; -1 for a split without objects) of a bundle, and the number of images it was evaluated on.

    Raises:
        UserError: the split is missing or its files are.
    """
    detector = Detector(folder, device='cpu')
    results = [_result(detector, item) for item in split_items(cfg, split)]
    max_dets = cfg[f'{split}_evaluator'].get('max_dets', 300)
    return box_metrics(results, detector.names, max_dets)['map'], len(results)


def _result(detector: Detector, item: dict) -> ImageResult:
    found = detector(item['img_path'])
    return ImageResult(
        item['img_id'],
        item['img_path'],
        item['width'],
        item['height'],
        *truth_arrays(item['instances']),
        found.boxes,
        found.labels,
        found.scores,
    )
