"""Transforms of relation data: changed pictures (mosaic.py, mirror.py), boxes a model is given, the packed sample."""

from .mirror import MirrorRelations
from .mosaic import MosaicRelations
from .pack import PackRelations
from .proposals import FileProposals, NoisyProposals, TruthProposals

__all__ = ['FileProposals', 'MirrorRelations', 'MosaicRelations', 'NoisyProposals', 'PackRelations', 'TruthProposals']
