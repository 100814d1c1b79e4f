"""The metric ``OpenSetMetric``: how well known classes are found where unknown objects lie among them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from mmdet.registry import METRICS

from detplug.errors import UserError
from detplug.evaluation.box_ap import BoxAP
from detplug.evaluation.coco_ap import box_metrics
from detplug.evaluation.image_result import ImageResult
from detplug.evaluation.matching import match_by_score, overlaps

from . import figures

TRUTH = 'unknown_truth'  # ImageResult.extra: (U, 4) boxes of the unknown objects


@METRICS.register_module()
class OpenSetMetric(BoxAP):
    """BoxAP of the K known classes, and the figures of open-set detection; label K is "unknown".

    The data samples need the meta key ``unknown_instances`` too. Figures (those that do not exist are left out):

    - map, map50, ..., ap/CLASS: known classes over all images (open test); a known name on an unknown object is wrong
    - closed_map, closed_map50: over the images without unknown objects (closed test)
    - unknown_ap, unknown_ap50, u_recall: of boxes labelled unknown; recall at IoU .5 of those scoring ``score_thr``
    - aose, wi: A-OSE at ``score_thr``, WI at recall ``recall`` of each class, counting boxes above ``score_thr``
    - aose_at_recall, wi_at_recall: at the threshold where the known classes are found at ``mean_recall`` on average,
      A-OSE and its share of all detections: to compare detectors that find equally much
    - auroc, fpr95, aupr: of the OOD scores (``pred_instances.ood_scores``) of boxes that find an object of the truth

    Args:
        max_dets: detections of a class that count in an image.
        score_thr: lowest score for aose, wi and u_recall.
        recall: for wi, of each class.
        mean_recall: for aose_at_recall and wi_at_recall, mean over the known classes.
    """

    def __init__(
        self,
        max_dets: int = 300,
        score_thr: float = 0.05,
        recall: float = 0.8,
        mean_recall: float = 0.5,
        prefix: str | None = None,
    ):
        super().__init__(max_dets, prefix)
        self.score_thr, self.recall, self.mean_recall = score_thr, recall, mean_recall

    def process(self, data_batch, data_samples: Sequence[Mapping]) -> None:
        """Keep truth, unknown objects and prediction of a batch."""
        for sample in data_samples:
            if 'unknown_instances' not in sample:
                raise UserError(
                    "test pipeline: PackDetInputs: no 'unknown_instances' in the data sample; add it to its meta_keys"
                )
            result = ImageResult.from_data_sample(sample)
            boxes = [x['bbox'] for x in sample['unknown_instances'] if not x.get('ignore_flag', 0)]
            result.extra[TRUTH] = np.array(boxes, np.float64).reshape(-1, 4)
            self.results.append(result)

    def compute_metrics(self, results: list[ImageResult]) -> dict[str, float]:
        """Flat figures of ``results``; afterwards ``images`` holds the known classes alone, for reports."""
        classes = self.dataset_meta['classes']
        known = [keep(image, image.labels < len(classes)) for image in results]
        truth = [image.extra[TRUTH] for image in results]
        closed = [image for image, boxes in zip(known, truth, strict=True) if not len(boxes)]
        metrics = box_metrics(known, classes, self.max_dets)
        if closed:
            found = box_metrics(closed, classes, self.max_dets)
            metrics |= {f'closed_{name}': found[name] for name in ('map', 'map50')}
        metrics |= self._errors(known, truth, len(classes))
        metrics |= self._unknowns([keep(image, image.labels == len(classes)) for image in results], truth)
        metrics |= ood_figures(results)
        self.images = known
        return {f'{self.prefix}/{name}': value for name, value in metrics.items()} if self.prefix else metrics

    def _errors(self, known: list[ImageResult], truth: list[np.ndarray], classes: int) -> dict[str, float]:
        """aose, wi, aose_at_recall, wi_at_recall."""
        seen = [keep(image, image.scores >= self.score_thr) for image in known]
        impact = figures.wilderness_impact(seen, truth, classes, self.recall)
        threshold = figures.threshold_at_recall(known, classes, self.mean_recall)
        metrics = {'aose': figures.absolute_open_set_error(known, truth, self.score_thr)}
        if impact is not None:
            metrics['wi'] = impact
        if threshold is not None:
            metrics['aose_at_recall'] = figures.absolute_open_set_error(known, truth, threshold)
            metrics['wi_at_recall'] = figures.error_share(known, truth, threshold)
        return metrics

    def _unknowns(self, unknown: list[ImageResult], truth: list[np.ndarray]) -> dict[str, float]:
        """unknown_ap, unknown_ap50, u_recall; nothing where no unknown object is."""
        objects = sum(map(len, truth))
        if not objects:
            return {}
        images = [as_one_class(image, boxes) for image, boxes in zip(unknown, truth, strict=True)]
        found = box_metrics(images, ['unknown'], self.max_dets)
        recalled = 0
        for image in images:
            seen = image.scores >= self.score_thr
            match = match_by_score(overlaps(image.boxes[seen], image.gt_boxes), image.scores[seen], figures.IOU)
            recalled += int((match >= 0).sum())
        return {'unknown_ap': found['map'], 'unknown_ap50': found['map50'], 'u_recall': recalled / objects}


def keep(image: ImageResult, chosen: np.ndarray) -> ImageResult:
    """``image`` with the chosen (D,) detections only."""
    return replace(image, boxes=image.boxes[chosen], labels=image.labels[chosen], scores=image.scores[chosen], extra={})


def as_one_class(image: ImageResult, truth: np.ndarray) -> ImageResult:
    """The detections of ``image`` against (U, 4) objects, all of class 0."""
    count = len(truth)
    return replace(
        image,
        labels=np.zeros_like(image.labels),
        gt_boxes=truth,
        gt_labels=np.zeros(count, np.int64),
        gt_ignored=np.zeros(count, bool),
        gt_areas=(truth[:, 2:] - truth[:, :2]).prod(axis=1),
    )


def ood_figures(results: Sequence[ImageResult]) -> dict[str, float]:
    """auroc, fpr95, aupr of the boxes that find an object, whatever class either has; each object counts once."""
    known, unknown = [], []
    for image in results:
        if 'ood_scores' not in image.extra:
            return {}
        known_truth, unknown_truth = image.gt_boxes[~image.gt_ignored], image.extra[TRUTH]
        match = match_by_score(
            overlaps(image.boxes, np.concatenate([known_truth, unknown_truth])), image.scores, figures.IOU
        )
        scores = np.asarray(image.extra['ood_scores'], np.float64)
        known.append(scores[(match >= 0) & (match < len(known_truth))])
        unknown.append(scores[match >= len(known_truth)])
    known, unknown = (np.concatenate(parts) if parts else np.zeros(0) for parts in (known, unknown))
    if not len(known) or not len(unknown):
        return {}
    return {name: getattr(figures, name)(known, unknown) for name in ('auroc', 'fpr95', 'aupr')}
