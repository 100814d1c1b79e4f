"""Pictures for the report: teacher boxes by fate, and images into which objects were embedded."""

from collections import deque

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor
from torch import Tensor, nn

from .fusion import DROPPED, KNOWN, UNKNOWN, TeacherBoxes
from .pixels import to_picture

KEPT = 4  # pictures of each kind, the newest
EVERY = 10  # steps


class RecentPictures:
    """The newest pictures of this process; a training that was resumed begins without.

    Each entry is (picture (H, W, 3) uint8 BGR, boxes (D, 4), labels (D,)); label K is "unknown", -1 is "ignored".
    """

    def __init__(self):
        self.by_fate: deque = deque(maxlen=KEPT)
        self.embedded: deque = deque(maxlen=KEPT)

    def keep_fates(
        self, image: Tensor, detections: TeacherBoxes, fate: Tensor, classes: int, preprocessor: nn.Module
    ) -> None:
        """One weak view with what became of the teacher's boxes; dropped ones are not shown."""
        labels = torch.where(fate == KNOWN, detections.labels, torch.where(fate == UNKNOWN, classes, -1))
        shown = fate != DROPPED
        boxes, labels = (x[shown].numpy(force=True) for x in (detections.boxes, labels))
        self.by_fate.append((to_picture(image, preprocessor), boxes, labels))

    def keep_embedded(self, image: Tensor, sample: DetDataSample, preprocessor: nn.Module) -> None:
        """A labelled image after the embedding, with all its labels."""
        truth = sample.gt_instances
        boxes = get_box_tensor(truth.bboxes).numpy(force=True)
        self.embedded.append((to_picture(image, preprocessor), boxes, truth.labels.numpy(force=True)))

    def sections(self, names: tuple[str, ...]) -> dict[str, tuple[str, np.ndarray]]:
        """Heading -> (explanation, one picture of all), for the report; what is empty is left out."""
        notes = {
            'Teacher boxes by fate': (
                'Unlabelled images of the last steps. In colour: learned as that class; black and white dashes: as '
                '"unknown"; grey: a region where nothing is learned.',
                self.by_fate,
            ),
            'Embedded objects': ('Labelled images of the last steps after class control and embedding.', self.embedded),
        }
        return {
            heading: (note, side_by_side([draw(entry, names) for entry in entries]))
            for heading, (note, entries) in notes.items()
            if entries
        }


def draw(entry: tuple[np.ndarray, np.ndarray, np.ndarray], names: tuple[str, ...]) -> np.ndarray:
    """The picture with its boxes."""
    from detplug.drawing.boxes import draw_boxes  # drawing libraries take a second to load

    picture, boxes, labels = entry
    return draw_boxes(picture, boxes, labels, None, names)


def side_by_side(pictures: list[np.ndarray], gap: int = 8) -> np.ndarray:
    """Two pictures a row on white paper."""
    height, width = (max(x.shape[axis] for x in pictures) + gap for axis in (0, 1))
    rows = -(-len(pictures) // 2)
    paper = np.full((rows * height, 2 * width, 3), 255, np.uint8)
    for number, picture in enumerate(pictures):
        top, left = number // 2 * height, number % 2 * width
        paper[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return paper
