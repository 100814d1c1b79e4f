"""Sampling of relation proposals: BNPS, and uniform, OHEM and no sampling to compare with."""

from .balanced import BalancedNegativeSampler
from .samplers import AllPairsSampler, HardNegativeSampler, PairDraw, PairSampler, UniformSampler

__all__ = [
    'AllPairsSampler',
    'BalancedNegativeSampler',
    'HardNegativeSampler',
    'PairDraw',
    'PairSampler',
    'UniformSampler',
]
