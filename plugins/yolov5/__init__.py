"""YOLOv5 n/s/m/l/x as mmdet backbone, neck, head and loss, and the conversion of official weights.

The architecture and the loss are YOLOv5 v6.1-7.0's (no paper); every file here is written from its published facts.
"""

import detplug.register  # noqa: F401

from .backbone import YOLOv5Backbone
from .convert import convert
from .fuse import fuse
from .head import YOLOv5Head
from .loss import YOLOv5Loss
from .neck import YOLOv5Neck

__all__ = ['YOLOv5Backbone', 'YOLOv5Head', 'YOLOv5Loss', 'YOLOv5Neck', 'convert', 'fuse']
