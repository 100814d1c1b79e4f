"""Sampling of relation proposals: BNPS, and uniform, OHEM and no sampling to compare with."""

from .samplers import (
    AllPairsSampler,
    BalancedNegativeSampler,
    HardNegativeSampler,
    PairSampler,
    UniformSampler,
)
from .weights import balanced_weights, count_kinds

__all__ = [
    'AllPairsSampler',
    'BalancedNegativeSampler',
    'HardNegativeSampler',
    'PairSampler',
    'UniformSampler',
    'balanced_weights',
    'count_kinds',
]
