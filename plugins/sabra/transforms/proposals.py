"""Where the boxes of `boxes` mode come from: the truth, the truth with a detector's noise, or a file of detections.

Each sets ``proposals``: (D, 4) float32 xyxy px, (D,) int64 labels, (D,) float32 scores.
"""

import json
import random
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from detplug.errors import ImageError, UserError

from ..box_noise import BoxNoise
from ..detections import ImageDetections, open_detections
from ..relations import NO_OBJECT

NOISE = Path(__file__).with_name('yolov5n_noise.json')  # made by detplug fit-noise (fit_noise.py)


@TRANSFORMS.register_module()
class TruthProposals(BaseTransform):
    """The truth itself with score 1.

    Args:
        pairs: ask about the pairs of the truth alone, as VRD's predicate detection does; a box with itself included.
    """

    def __init__(self, pairs: bool = False):
        self.pairs = pairs

    def transform(self, results: dict) -> dict:
        truth = results['relation_truth']
        if self.pairs:
            asked = truth.relations[truth.relations[:, 1] != NO_OBJECT, :2]
            results['proposal_pairs'] = np.unique(asked, axis=0).reshape(-1, 2)
        results['proposals'] = truth.boxes, truth.labels, np.ones(len(truth.labels), np.float32)
        return results


@TRANSFORMS.register_module()
class NoisyProposals(BaseTransform):
    """The truth as a detector would find it, see box_noise.py.

    Args:
        classes: number of object classes.
        clean: share of the images that get the truth itself.
        score_thr, confused: of BoxNoise.
        file: json of a noise table.
        most: boxes an image, those of the highest scores are kept.
        fixed: an image gets the same boxes each time, for evaluations; else new ones, from Python's ``random``.
    """

    def __init__(
        self,
        classes: int,
        clean: float = 0.0,
        score_thr: float = 0.05,
        confused: float = 0.5,
        file: str | Path = NOISE,
        most: int = 64,
        fixed: bool = False,
    ):
        self.noise = BoxNoise(json.loads(Path(file).read_text()), score_thr, classes, confused)
        self.clean, self.most, self.fixed = clean, most, fixed

    def transform(self, results: dict) -> dict:
        seed = zlib.crc32(str(results['img_id']).encode()) if self.fixed else random.getrandbits(64)
        generator = np.random.default_rng(seed)
        truth = results['relation_truth']
        if generator.random() < self.clean:
            return TruthProposals().transform(results)
        boxes = self.noise.draw(truth.boxes, truth.labels, (truth.width, truth.height), generator)
        results['proposals'] = tuple(x[: self.most] for x in boxes)
        return results


UNNAMED = 50  # pictures in a row without any that the file names: the names do not fit


@TRANSFORMS.register_module()
class FileProposals(BaseTransform):
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
        classes: by default those of the data set.
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
        self.unnamed: set[str] | None = set()  # pictures that the file does not name; None once it named one

    def transform(self, results: dict) -> dict:
        name, classes = results['img_path'], self.classes or results['classes']
        detections = self.detections.of(name, results.get('img_id'), classes)
        if detections is None:
            detections = self._not_named(name)
        else:
            self.unnamed = None
        if self.check_size:
            check_inside(detections.boxes, (results['width'], results['height']), f'{self.file}: {name}')
        results['proposals'] = detections.boxes, detections.labels, detections.scores
        given = dict(features=detections.features, unions=detections.unions)
        results['proposal_features'] = {key: value for key, value in given.items() if value is not None}
        return results

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
