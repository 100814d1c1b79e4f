"""Export of trained detectors, and the runtime that runs what was exported.

Importing this package loads onnxruntime, numpy and OpenCV only: a device that runs an exported detector needs neither
torch nor mmdet. The side that exports lives in :mod:`detplug.export.formats` and is imported by the command line.
"""

from detplug.runtime.bundle import Detector
from detplug.runtime.detections import Detections

__all__ = ['Detections', 'Detector']
