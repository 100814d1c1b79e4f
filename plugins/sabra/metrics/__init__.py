"""Evaluation of relations: HICO-DET, V-COCO, VRD, and mean average precision for a user's own data."""

from .metric import RelationMetric

__all__ = ['RelationMetric']
