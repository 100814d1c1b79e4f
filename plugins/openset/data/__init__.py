"""Labelled and unlabelled images in one training, and splits of a labelled set."""

from .image_folder import ImageFolder
from .two_sources import TwoSources, TwoSourceSampler

__all__ = ['ImageFolder', 'TwoSourceSampler', 'TwoSources']
