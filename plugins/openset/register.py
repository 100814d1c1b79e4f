"""Importing this module registers every part of the plugin."""

import detplug.register  # noqa: F401

from .cce import CategoryControlEmbed
from .data import ImageFolder, TwoSources, TwoSourceSampler
from .detector import OpenSetDetector
from .energy_head import EnergyYOLOv5Head
from .hook import OpenSetHook
from .inference.with_unknown import WithUnknown
from .metrics import OpenSetMetric
from .student_optimizer import StudentOptimWrapperConstructor
from .weighted_roi_head import WeightedBBoxHead, WeightedRoIHead

__all__ = [
    'CategoryControlEmbed',
    'EnergyYOLOv5Head',
    'ImageFolder',
    'OpenSetDetector',
    'OpenSetHook',
    'OpenSetMetric',
    'StudentOptimWrapperConstructor',
    'TwoSourceSampler',
    'TwoSources',
    'WeightedBBoxHead',
    'WeightedRoIHead',
    'WithUnknown',
]
