"""Transforms of relation data: boxes a model is given (proposals.py) and the packed sample (pack.py)."""

from .mirror import MirrorRelations
from .mosaic import MosaicRelations
from .pack import PackRelations
from .proposals import FileProposals, NoisyProposals, TruthProposals

__all__ = ['FileProposals', 'MirrorRelations', 'MosaicRelations', 'NoisyProposals', 'PackRelations', 'TruthProposals']
