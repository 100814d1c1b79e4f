"""Importing this module registers every part of the plugin."""

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
