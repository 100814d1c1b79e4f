"""The boxes that a model is given in each picture: from a file, checked against the picture. Needs no torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detplug.errors import ImageError, UserError

from .detection_file import open_detections
from .table import ImageDetections

UNNAMED = 50  # pictures in a row without any that the file names: the names do not fit


class GivenBoxes:
    """Boxes of any detector, from its file; forms in docs/own_detector.md.

    Args:
        file: json (COCO results or predictions.json), csv, or a folder of npz files, one an image; px of the original
            image. json and csv are read here, once: loader processes share them.
        annotations: COCO json whose image and category ids a json file has. Without it image ids are the data set's.
        rename: class name of the file -> class of the data set, or None for boxes to be left out.
        features: npz files have features of the boxes, and perhaps of their unions, that the head reads
            (visual.BoxFeatures).
        most: boxes an image, those of the highest scores; by default all. Features of pairs take most * most rows.
        check_size: a box whose centre is outside the image ends the run.
        missing: 'error' or 'empty': an image that the file does not name ends the run, or has no box, as where a
            detector's file leaves out images in which it found nothing.
        classes: of the model; by default they are given with each picture.
        by_name: pictures have no ids (predict), so the file must name them.

    Raises:
        UserError: every wrong input, in one line.
    """

    def __init__(
        self,
        file: str | Path,
        annotations: str | Path | None = None,
        rename: Mapping[str, str | None] | None = None,
        features: bool = False,
        most: int | None = None,
        missing: str = 'error',
        check_size: bool = True,
        classes: Sequence[str] | None = None,
        by_name: bool = False,
    ):
        if missing not in ('error', 'empty'):
            raise UserError(f'FileProposals: missing: {missing!r}; give error or empty')
        self.file, self.missing, self.check_size, self.classes = file, missing, check_size, classes
        if most is not None and most < 1:
            raise UserError(f'FileProposals: most: {most}; give a number of boxes from 1 on')
        self.detections = open_detections(file, annotations, rename, features, most)
        if by_name and getattr(self.detections, 'by_id', False):
            raise UserError(f'{file}: image_id: says no picture; add --annotations FILE, the COCO json of these ids')
        if classes is not None:
            self.detections.check(classes)
        self.unnamed: set[str] | None = set()  # pictures that the file does not name; None once it named one

    def of(
        self, name: str, size: tuple[int, int], img_id: Any = None, classes: Sequence[str] | None = None
    ) -> ImageDetections:
        """The detections of a picture.

        Args:
            name: its path. size: its width and height, px.

        Raises:
            UserError: see above; ImageError where it is about this picture alone.
        """
        detections = self.detections.of(name, img_id, self.classes or classes)
        if detections is None:
            detections = self._not_named(name)
        else:
            self.unnamed = None
        if self.check_size:
            check_inside(detections.boxes, size, f'{self.file}: {name}')
        return detections

    def _not_named(self, name: str) -> ImageDetections:
        """No box, where that is allowed."""
        if self.missing == 'error':
            raise ImageError(
                f'{self.file}: no detections of {name}; if nothing was found in it, list it without boxes (csv, npz) '
                "or give FileProposals missing='empty'"
            )
        if self.unnamed is not None:
            self.unnamed.add(name)
            if len(self.unnamed) >= UNNAMED:
                raise UserError(f'{self.file}: none of {UNNAMED} pictures is named, such as {name}; name them by file')
        return ImageDetections(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))


def check_inside(boxes: np.ndarray, size: tuple[int, int], source: str) -> None:
    """Refuse boxes of another size of the picture.

    Args:
        boxes: (D, 4) xyxy px; size: width and height of the original image.

    Raises:
        UserError: the centre of a box is outside the image.
    """
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    outside = ((centre < 0) | (centre > np.array(size))).any(1)
    if outside.any():
        box = boxes[int(np.argmax(outside))].tolist()
        raise ImageError(
            f'{source}: box: {box} is outside the {size[0]}x{size[1]} image; give pixels of the original picture, '
            'or check_size=False where the annotations do not know the size'
        )
