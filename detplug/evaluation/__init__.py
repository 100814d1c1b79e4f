"""Evaluation: average precision, curves and confusion matrix on boxes in pixels of the original image."""

from detplug.evaluation.box_ap import BoxAP  # noqa: F401
from detplug.evaluation.coco_metric import CheckedCocoMetric  # noqa: F401
