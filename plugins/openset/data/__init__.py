"""Labelled and unlabelled images in one training, and splits of a labelled set."""

from .image_folder import ImageFolder
from .two_sources import TwoSources, TwoSourceSampler, find_two_sources, labelled_images

__all__ = ['ImageFolder', 'TwoSourceSampler', 'TwoSources', 'find_two_sources', 'labelled_images']
