"""The metric ``OpenSetMetric``: how well known classes are found where unknown objects lie among them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from mmdet.registry import METRICS

from detplug.errors import UserError
from detplug.evaluation.box_ap import BoxAP
from detplug.evaluation.coco_ap import box_metrics
from detplug.evaluation.image_result import ImageResult

from . import known_names
from .name_counts import name_counts
from .strangeness import strangeness_figures
from .unknown_names import as_one_class, names_unknown, unknown_figures

TRUTH, IGNORED = 'unknown_truth', 'ignored_unknown'  # ImageResult.extra: (U, 4) boxes of unknown objects
NAMES = 'names_unknown'  # meta key of the data samples, written by the detector


@METRICS.register_module()
class OpenSetMetric(BoxAP):
    """BoxAP of the K known classes, and the figures of open-set detection; label K is "unknown".

    The data samples need the meta key ``unknown_instances`` too. Figures (those that do not exist are left out):

    - map, map50, ..., ap/CLASS: known classes over all images (open test); a known name on an unknown object is wrong
    - closed_map, closed_map50: over the images without unknown objects (closed test)
    - unknown_ap, unknown_ap50: of the boxes named unknown
    - u_recall_b, precision_b: unknown objects found, and share of right boxes, where b boxes an image are named unknown
      over the whole split (b = 0.2, 1, 3)
    - aose, wi: A-OSE at ``score_thr``, WI at recall ``recall`` of each class, counting boxes above ``score_thr``;
      wi_opendet: WI by the definition of OpenDet2 and OWOD
    - aose_r50, wi_r50: at the threshold where the known classes are found at ``mean_recall`` (50 %) on average,
      A-OSE and its share of all detections: to compare detectors that find equally much
    - auroc, fpr95, aupr: of the OOD scores (``pred_instances.ood_scores``) of boxes that find an object of the truth
    - unknown_objects, unknown_named, unknown_misnamed, known_objects, known_lost: objects by the name that the best box
      on them gives, of the boxes that score ``shown`` or more; see :func:`name_counts`
    - queue_recall: unknown objects among the 100 strangest boxes of the split / all unknown objects

    A detector that cannot name anything unknown has no unknown_ap, u_recall, precision and unknown_named, rather than
    zeros. It says so by the meta key ``names_unknown`` (bool) of its predictions; of one that says nothing, a box of
    label K decides.

    Args:
        max_dets: detections of a class that count in an image.
        score_thr: lowest score for aose, wi and the queue.
        recall: for wi, of each class.
        mean_recall: for aose_r50 and wi_r50 (the number in their names), mean over the known classes.
        shown: lowest score of a box that pictures show; detplug's own default.
    """

    def __init__(
        self,
        max_dets: int = 300,
        score_thr: float = 0.05,
        recall: float = 0.8,
        mean_recall: float = 0.5,
        shown: float = 0.25,
        prefix: str | None = None,
    ):
        super().__init__(max_dets, prefix)
        self.score_thr, self.shown, self.recall, self.mean_recall = score_thr, shown, recall, mean_recall

    def process(self, data_batch, data_samples: Sequence[Mapping]) -> None:
        """Keep truth, unknown objects and prediction of a batch."""
        for sample in data_samples:
            if 'unknown_instances' not in sample:
                raise UserError(
                    "test pipeline: PackDetInputs: no 'unknown_instances' in the data sample; add it to its meta_keys"
                )
            result = ImageResult.from_data_sample(sample)
            for key, ignored in ((TRUTH, False), (IGNORED, True)):
                boxes = [x['bbox'] for x in sample['unknown_instances'] if bool(x.get('ignore_flag', 0)) == ignored]
                result.extra[key] = np.array(boxes, np.float64).reshape(-1, 4)
            if NAMES in sample:
                result.extra[NAMES] = bool(sample[NAMES])
            self.results.append(result)

    def compute_metrics(self, results: list[ImageResult]) -> dict[str, float]:
        """Flat figures of ``results``; afterwards ``images`` holds the known classes alone, for reports."""
        classes = self.dataset_meta['classes']
        known = [without_unknown(image, len(classes)) for image in results]
        truth = [image.extra[TRUTH] for image in results]
        closed = [image for image, boxes in zip(known, truth, strict=True) if not len(boxes)]
        metrics = box_metrics(known, classes, self.max_dets)
        if closed:
            known_figures = box_metrics(closed, classes, self.max_dets)
            metrics |= {f'closed_{name}': known_figures[name] for name in ('map', 'map50')}
        metrics |= self._errors(known_names.known_detections(known, truth, len(classes)))
        counts = name_counts(results, truth, len(classes), self.shown)
        if names_unknown([x.extra[NAMES] for x in results if NAMES in x.extra], results, len(classes)):
            ones = [as_one_class(x, x.extra[TRUTH], x.extra[IGNORED], len(classes)) for x in results]
            metrics |= unknown_figures(ones, self.max_dets)
        else:
            del counts['unknown_named'], counts['known_lost']
        metrics |= counts if counts['unknown_objects'] else {}
        metrics |= strangeness_figures(results, truth, self.score_thr)
        self.images = known
        return {f'{self.prefix}/{name}': value for name, value in metrics.items()} if self.prefix else metrics

    def _errors(self, known: known_names.KnownDetections) -> dict[str, float]:
        """aose, wi, wi_opendet, aose_r50, wi_r50."""
        metrics = {'aose': known_names.absolute_open_set_error(known, self.score_thr)}
        seen = known.above(self.score_thr)
        impacts = {
            'wi': known_names.wilderness_impact(seen, self.recall),
            'wi_opendet': known_names.wilderness_impact_opendet(seen, self.recall),
        }
        metrics |= {name: value for name, value in impacts.items() if value is not None}
        threshold = known_names.threshold_at_recall(known, self.mean_recall)
        if threshold is not None:
            end = f'r{100 * self.mean_recall:g}'
            metrics[f'aose_{end}'] = known_names.absolute_open_set_error(known, threshold)
            metrics[f'wi_{end}'] = known_names.error_share(known, threshold)
        return metrics


def without_unknown(image: ImageResult, classes: int) -> ImageResult:
    """``image`` with the detections of known classes only."""
    kept = image.labels < classes
    return replace(image, boxes=image.boxes[kept], labels=image.labels[kept], scores=image.scores[kept], extra={})
