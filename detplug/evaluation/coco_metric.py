"""mmdet's CocoMetric with labels by name."""

from pathlib import Path
from typing import Any

from mmdet.evaluation import CocoMetric
from mmdet.registry import METRICS

from detplug.data.named_coco import category_ids
from detplug.errors import UserError

PARTS = ('', '_50', '_75', '_s', '_m', '_l')


@METRICS.register_module()
class CheckedCocoMetric(CocoMetric):
    """CocoMetric whose label n is the n-th of ``classes``; mmdet's is the n-th of them in the order of the file.

    The images are those that were evaluated; mmdet counts all of ``ann_file``, the others as without detections. A
    detector that finds nothing at all has AP 0; mmdet gives no figures.

    Raises:
        UserError: no ``ann_file``.
    """

    def __init__(self, ann_file: str | None = None, **kwargs: Any):
        if ann_file is not None and '://' not in ann_file and not Path(ann_file).is_file():
            raise UserError(f'{ann_file}: not found; set ann_file of the evaluator, or data_root')
        super().__init__(ann_file=ann_file, **kwargs)
        self.ann_file = ann_file

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Figures of all images, ``bbox_mAP`` and so on.

        Raises:
            UserError: a class that ``ann_file`` does not have.
        """
        if self._coco_api is not None and self.cat_ids is None:
            categories = self._coco_api.dataset['categories']
            self.cat_ids = category_ids(categories, self.dataset_meta['classes'], self.ann_file)
        if self._coco_api is not None:
            self.img_ids = sorted({prediction['img_id'] for _, prediction in results})
        metrics = super().compute_metrics(results)
        if metrics or self.format_only:
            return metrics
        return {f'{kind}_mAP{part}': 0.0 for kind in self.metrics if kind in ('bbox', 'segm') for part in PARTS}
