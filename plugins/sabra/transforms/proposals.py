"""Where the boxes of `boxes` mode come from: the truth, the truth with a detector's noise, or a file of detections.

Each sets ``proposals``: (D, 4) float32 xyxy px, (D,) int64 labels, (D,) float32 scores.
"""

import json
import random
import zlib
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from ..box_noise import BoxNoise
from ..detections import GivenBoxes
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


@TRANSFORMS.register_module()
class FileProposals(GivenBoxes, BaseTransform):
    """Boxes of any detector, from its file; arguments and errors of :class:`GivenBoxes`."""

    def transform(self, results: dict) -> dict:
        size = results['width'], results['height']
        detections = self.of(results['img_path'], size, results.get('img_id'), results.get('classes'))
        results['proposals'] = detections.boxes, detections.labels, detections.scores
        given = dict(features=detections.features, unions=detections.unions)
        results['proposal_features'] = {key: value for key, value in given.items() if value is not None}
        return results
