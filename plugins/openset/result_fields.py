"""The field ``ood_scores`` of open-set detections: a column, a bar at the left edge of each box, and the review queue
``strangest``. Needs no torch.

In a bundle of a detector with fusion at inference the network says ``objectness`` and ``p_unknown`` too; both are
used up when names are given.
"""

from collections.abc import Mapping

import cv2
import numpy as np

from detplug.errors import UserError
from detplug.runtime.detections import Detections
from detplug.runtime.result_field import Queue, ResultField, numbers

from .inference.fuse import FusedRule, fuse

DARK, LIGHT = (0, 0, 0), (255, 255, 255)


def draw(picture: np.ndarray, detections: Detections, scores: np.ndarray) -> None:
    """A bar as high as the box, white from below up to the share of labelled objects that are less strange."""
    width = max(2, round(min(picture.shape[:2]) / 160))
    limit = np.array(picture.shape[1::-1] * 2)
    corners = np.clip(detections.boxes, 0, limit).astype(int).tolist()
    for (x1, y1, _, y2), score in zip(corners, scores.tolist(), strict=True):
        cv2.rectangle(picture, (x1, y1), (x1 + width, y2), DARK, -1)
        cv2.rectangle(picture, (x1, round(y2 - score * (y2 - y1))), (x1 + width, y2), LIGHT, -1)


STRANGEST = Queue('strangest', 'strangeness', 'that look least like the labelled objects')


def strangeness(outputs: Mapping[str, np.ndarray], manifest: Mapping, count: int) -> np.ndarray | dict:
    """(D,) OOD scores; with fusion at inference a dict of what :func:`finish` needs until it is done."""
    return outputs['ood_scores'] if 'objectness' not in outputs else dict(outputs)


def finish(detections: Detections, manifest: Mapping) -> Detections:
    """The detections after :func:`fuse` by the manifest's rule; others as they are."""
    entries = (manifest.get('openset') or {}).get('fusion')
    if entries is None:
        return detections
    said = detections.fields['ood_scores']
    if 'p_unknown' not in said:
        raise UserError('manifest.json: outputs.extra: no p_unknown; export the detector again')
    parts = [said[name] for name in ('ood_scores', 'objectness', 'p_unknown')]
    index, scores, labels = fuse(detections.boxes, detections.scores, detections.labels, *parts, FusedRule.of(entries))
    fields = detections.fields | {'ood_scores': parts[0]}
    fields = {name: value[index] for name, value in fields.items()}
    return Detections(detections.boxes[index], scores.astype(np.float32), labels, detections.names, fields)


FIELDS = {
    'ood_scores': ResultField(
        draw=draw,
        column=numbers,
        outputs=('ood_scores', 'objectness', 'p_unknown'),
        make=strangeness,
        finish=finish,
        queue=STRANGEST,
    )
}
