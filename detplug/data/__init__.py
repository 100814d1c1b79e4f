"""Data sets with checked class names, and the transforms that feed a detector from memory.

Importing this package loads nothing, so that readers of annotations work without torch; a class is loaded when it is
asked for. :mod:`detplug.register` registers all of them.
"""

import importlib
from typing import Any

PARTS = {
    'CheckedCocoDataset': 'coco',
    'CheckedVocDataset': 'voc',
    'ColourJitter': 'colour_jitter',
    'CropToTile': 'tiled_datasets',
    'Letterbox': 'letterbox',
    'LoadImageFromFile': 'images',
    'LoadResizedImage': 'resized_image',
    'LoadResizedTile': 'tiled_datasets',
    'MixDataset': 'mix_dataset',
    'MosaicAffine': 'mosaic_affine',
    'NamedCocoDataset': 'named_coco',
    'SourceCache': 'mix_dataset',
    'TiledDataset': 'tiled_datasets',
    'TiledPictures': 'tiled_datasets',
}  # name -> module
__all__ = list(PARTS)


def __getattr__(name: str) -> Any:
    """The class ``name``, or AttributeError."""
    if name not in PARTS:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{PARTS[name]}'), name)


def load_all() -> None:
    """Import every module of :data:`PARTS`, which registers the classes."""
    for module in PARTS.values():
        importlib.import_module(f'{__name__}.{module}')
