"""Relation detection: SABRA (Jin, Ma, Zhang et al., BMVC 2021, arXiv 2012.12510; no official code)."""

import detplug.register  # noqa: F401

from .data.dataset import RelationDataset
from .detector import RelationDetector
from .hook import RelationHook
from .metrics.metric import RelationMetric
from .relation_head import RelationHead
from .sampling import AllPairsSampler, BalancedNegativeSampler, HardNegativeSampler, UniformSampler
from .transforms import FileProposals, NoisyProposals, PackRelations, TruthProposals

__all__ = [
    'AllPairsSampler',
    'BalancedNegativeSampler',
    'FileProposals',
    'HardNegativeSampler',
    'NoisyProposals',
    'PackRelations',
    'RelationDataset',
    'RelationDetector',
    'RelationHead',
    'RelationHook',
    'RelationMetric',
    'TruthProposals',
    'UniformSampler',
]
