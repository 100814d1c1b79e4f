"""Labelled and unlabelled images in one training, and splits of a labelled set."""

from .image_folder import ImageFolder
from .two_sources import TwoSources, TwoSourceSampler, labelled_images

__all__ = ['ImageFolder', 'TwoSourceSampler', 'TwoSources', 'labelled_images']
