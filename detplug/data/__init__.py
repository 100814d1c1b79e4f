"""Data sets with checked class names, and the transforms that feed a detector from memory."""

from detplug.data.coco import CheckedCocoDataset
from detplug.data.colour_jitter import ColourJitter
from detplug.data.images import LoadImageFromFile
from detplug.data.letterbox import Letterbox
from detplug.data.mix_dataset import MixDataset, SourceCache
from detplug.data.mosaic_affine import MosaicAffine
from detplug.data.named_coco import NamedCocoDataset
from detplug.data.resized_image import LoadResizedImage
from detplug.data.tiled_datasets import CropToTile, LoadResizedTile, TiledDataset, TiledPictures
from detplug.data.voc import CheckedVocDataset

__all__ = [
    'CheckedCocoDataset',
    'CheckedVocDataset',
    'CropToTile',
    'ColourJitter',
    'Letterbox',
    'LoadImageFromFile',
    'LoadResizedImage',
    'LoadResizedTile',
    'MixDataset',
    'MosaicAffine',
    'NamedCocoDataset',
    'SourceCache',
    'TiledDataset',
    'TiledPictures',
]
