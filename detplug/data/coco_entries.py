"""The fields of a COCO json that are read, as types for msgspec: it passes over all others without making objects.

Polygons are nine tenths of a file. The values are of any type, since :mod:`detplug.data.coco_file` checks each one and
names it; None stands for a field that is missing. Json has no reference cycles, so Python's
collector need not know the entries (gc=False).
"""

from typing import Any

import msgspec


class Image(msgspec.Struct, gc=False):
    """What is read of an entry of ``images``; None where it is missing."""

    id: Any = None
    file_name: Any = None
    width: Any = None
    height: Any = None


class Annotation(msgspec.Struct, gc=False):
    """What is read of an entry of ``annotations``; None where it is missing."""

    id: Any = None
    image_id: Any = None
    category_id: Any = None
    bbox: Any = None
    area: Any = None
    iscrowd: Any = None
    ignore: Any = None


class MaskedAnnotation(Annotation, gc=False):
    """An annotation with its mask, which is most of a file."""

    segmentation: Any = None


class Category(msgspec.Struct, gc=False):
    """What is read of an entry of ``categories``; None where it is missing."""

    id: Any = None
    name: Any = None


class Content(msgspec.Struct):
    """What is read of a file without masks; everything else is passed over without an object being made of it."""

    images: list[Image]
    annotations: list[Annotation]
    categories: list[Category]


class MaskedContent(Content):
    """What is read of a file with masks."""

    annotations: list[MaskedAnnotation]
