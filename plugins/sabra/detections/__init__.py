"""Boxes that a detector outside found, from its files; numpy only. Formats: docs/own_detector.md."""

from .detection_file import DetectionFile, open_detections
from .given_boxes import GivenBoxes
from .table import ImageDetections

__all__ = ['DetectionFile', 'GivenBoxes', 'ImageDetections', 'open_detections']
