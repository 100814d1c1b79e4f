"""Adapters: one way to ask any kind of detector for maps, boxes and, of detectors with queries, their features."""

from .adapter import Detected, DetectorAdapter
from .dense import DenseAdapter
from .queries import QueryAdapter
from .select import adapter_of
from .two_stage import TwoStageAdapter

__all__ = ['DenseAdapter', 'Detected', 'DetectorAdapter', 'QueryAdapter', 'TwoStageAdapter', 'adapter_of']
