"""Importing this module registers every part of the plugin."""

import detplug.register  # noqa: F401

from .backbone import YOLOv5Backbone
from .convert import convert
from .fuse import fuse
from .head import YOLOv5Head
from .loss import YOLOv5Loss
from .neck import YOLOv5Neck

__all__ = ['YOLOv5Backbone', 'YOLOv5Head', 'YOLOv5Loss', 'YOLOv5Neck', 'convert', 'fuse']
