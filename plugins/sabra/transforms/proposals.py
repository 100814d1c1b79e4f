"""Where the boxes of `boxes` mode come from: the truth, the truth with a detector's noise, or a file of detections.

Each sets ``proposals``: (D, 4) float32 xyxy px, (D,) int64 labels, (D,) float32 scores.
"""

import json
import random
import zlib
from collections import defaultdict
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from detplug.data.coco_file import read_json
from detplug.data.records import finite_number, one_line
from detplug.errors import UserError

from ..box_noise import BoxNoise
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
        most: boxes an image, the surest are kept.
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
        found = self.noise.draw(truth.boxes, truth.labels, (truth.width, truth.height), generator)
        results['proposals'] = tuple(x[: self.most] for x in found)
        return results


@TRANSFORMS.register_module()
class FileProposals(BaseTransform):
    """Detections of a file in the form of predictions.json: rows with file_name, category_name, bbox, score.

    Args:
        file: json; bbox is x, y, width, height in px of the original image.

    The names are those of the data set (``classes`` of the item). An image without row has no box.
    Raises UserError for a row that is not such.
    """

    def __init__(self, file: str | Path):
        self.file, self.found = file, None

    def transform(self, results: dict) -> dict:
        if self.found is None:
            self.found = read_detections(self.file, results['classes'])
        results['proposals'] = self.found[Path(results['img_path']).name]
        return results


def read_detections(path: str | Path, classes: tuple[str, ...]) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """File name (without folder) -> boxes, labels, scores; empty arrays for any other name."""
    rows, label = read_json(path), {name: number for number, name in enumerate(classes)}
    if not isinstance(rows, list):
        raise UserError(f'{path}: not a list of detections; give a predictions.json')
    by_image = defaultdict(list)
    for number, row in enumerate(rows):
        box = row.get('bbox') if isinstance(row, dict) else None
        values = [finite_number(x) for x in (*box, row.get('score'))] if isinstance(box, list) else []
        if len(values) != 5 or None in values or not isinstance(row.get('file_name'), str):
            raise UserError(f'{path}: [{number}]: needs file_name, category_name, bbox (4 numbers) and score')
        if row.get('category_name') not in label:
            raise UserError(f'{path}: [{number}].category_name: {one_line(row.get("category_name"))} is no class')
        x, y, width, height, score = values
        by_image[Path(row['file_name']).name].append((x, y, x + width, y + height, label[row['category_name']], score))
    arrays = {name: np.array(items) for name, items in by_image.items()}
    found = defaultdict(lambda: (np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32)))
    found |= {
        name: (x[:, :4].astype(np.float32), x[:, 4].astype(np.int64), x[:, 5].astype(np.float32))
        for name, x in arrays.items()
    }
    return found
