"""Importing this module registers every part of the plugin."""

import detplug.register  # noqa: F401

from . import boxes_format  # noqa: F401
from .adapters import DenseAdapter, QueryAdapter, TwoStageAdapter
from .data.dataset import RelationDataset
from .detector import RelationDetector
from .given_boxes import PictureSize
from .heads.upt_head import UPTHead
from .hook import RelationHook
from .metrics.metric import RelationMetric
from .relation_head import RelationHead
from .sampling import AllPairsSampler, BalancedNegativeSampler, HardNegativeSampler, UniformSampler
from .transforms import FileProposals, NoisyProposals, PackRelations, TruthProposals
from .visual import BoxFeatures, PairPooling

__all__ = [
    'AllPairsSampler',
    'BalancedNegativeSampler',
    'BoxFeatures',
    'DenseAdapter',
    'FileProposals',
    'HardNegativeSampler',
    'NoisyProposals',
    'PackRelations',
    'PairPooling',
    'PictureSize',
    'QueryAdapter',
    'RelationDataset',
    'RelationDetector',
    'RelationHead',
    'RelationHook',
    'RelationMetric',
    'TruthProposals',
    'TwoStageAdapter',
    'UPTHead',
    'UniformSampler',
]
