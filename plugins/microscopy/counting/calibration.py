"""What a validation run says of counts: thresholds, shares found and invented, and probabilities of scores.

It is a json file, or the entry ``counting`` of a bundle's manifest.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from detplug.errors import UserError
from detplug.runtime.bundle import MANIFEST
from detplug.runtime.run_folder import write_json

from .operating_point import ClassScores, Wish, choose

ENTRY, FORMAT = 'counting', 'detplug-counting-1'
FEWEST = 30  # detections from which on scores are calibrated
BINS = 10  # of the reliability curve
MEGAPIXEL = 1e6


@dataclass(frozen=True)
class ClassCalibration:
    """One class on the validation pictures, at its threshold.

    Attributes:
        objects, found, false_alarms: annotated objects, how many of them were found, detections that found none.
        knots: (score, probability) ascending: a detection with that score or more, up to the next knot, is right with
            that probability (isotonic regression); empty where there were too few detections.
        reliability: (mean score, share that is right, detections) of ten equal ranges of scores that are not empty.
    """

    threshold: float
    objects: int
    found: int
    false_alarms: int
    knots: list[tuple[float, float]] = field(default_factory=list)
    reliability: list[tuple[float, float, int]] = field(default_factory=list)

    def probability(self, scores: np.ndarray) -> np.ndarray:
        """(D,) probability that each detection is right."""
        edges, values = np.array(self.knots, np.float64).reshape(-1, 2).T
        return values[np.maximum(np.searchsorted(edges, scores, side='right') - 1, 0)]


@dataclass(frozen=True)
class Calibration:
    """``megapixels``, ``pictures``: of the validation pictures; ``wish``: what the thresholds were chosen for."""

    classes: dict[str, ClassCalibration]
    pictures: int
    megapixels: float
    wish: dict[str, float]


def calibrate(scores: Sequence[ClassScores], pictures: int, pixels: float, wish: Wish, lowest: float) -> Calibration:
    """Thresholds for the wish and what follows from them.

    Raises:
        UserError: a wish that cannot be reached.
    """
    classes = {}
    for one in scores:
        threshold = choose(one, wish, pictures, lowest)
        classes[one.name] = ClassCalibration(
            threshold, one.objects, *one.at(threshold), isotonic(one), reliability(one)
        )
    wished = {key: value for key, value in asdict(wish).items() if value is not None}
    return Calibration(classes, pictures, pixels / MEGAPIXEL, wished)


def isotonic(scores: ClassScores) -> list[tuple[float, float]]:
    """Probability against score that never falls (pool adjacent violators), as steps; empty for too few detections."""
    if len(scores.scores) < FEWEST:
        return []
    blocks: list[list[float]] = []  # lowest score, sum of hits, number
    for score, hit in zip(scores.scores[::-1].tolist(), scores.found[::-1].tolist(), strict=True):
        if blocks and blocks[-1][0] == score:
            blocks[-1][1] += hit
            blocks[-1][2] += 1
        else:
            blocks.append([score, float(hit), 1])
        while len(blocks) > 1 and blocks[-2][1] * blocks[-1][2] >= blocks[-1][1] * blocks[-2][2]:
            _, hits, number = blocks.pop()
            blocks[-1][1] += hits
            blocks[-1][2] += number
    return [(score, hits / number) for score, hits, number in blocks]


def reliability(scores: ClassScores) -> list[tuple[float, float, int]]:
    """(mean score, share that is right, detections) of each range of scores that holds any."""
    which = np.minimum((scores.scores * BINS).astype(int), BINS - 1)
    return [
        (float(scores.scores[which == i].mean()), float(scores.found[which == i].mean()), int((which == i).sum()))
        for i in range(BINS)
        if (which == i).any()
    ]


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Into a json file, or into the manifest of a bundle's folder."""
    content = dict(format=FORMAT, **asdict(calibration))
    if path.is_dir():
        manifest = _json(path / MANIFEST)
        write_json(path / MANIFEST, manifest | {ENTRY: content})
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, content)


def read_calibration(path: str) -> Calibration:
    """From a json file or a bundle's folder.

    Raises:
        UserError: there is none.
    """
    file = Path(path) / MANIFEST if Path(path).is_dir() else Path(path)
    content = _json(file)
    if Path(path).is_dir():
        content = content.get(ENTRY)
        if content is None:
            raise UserError(f'{file}: {ENTRY}: missing; detplug count VAL_RESULTS --truth F --calibrate {path} adds it')
    try:
        if content['format'] != FORMAT:
            raise KeyError('format')
        classes = {name: ClassCalibration(**_plain(entry)) for name, entry in content['classes'].items()}
        return Calibration(classes, int(content['pictures']), float(content['megapixels']), dict(content['wish']))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f'{file}: not what detplug count --calibrate writes ({error}); make it again') from None


def _plain(entry: Mapping) -> dict:
    numbers = {key: float(entry[key]) if key == 'threshold' else int(entry[key]) for key in
               ('threshold', 'objects', 'found', 'false_alarms')}  # fmt: skip
    knots = [(float(score), float(value)) for score, value in entry['knots']]
    return numbers | dict(knots=knots, reliability=[tuple(row) for row in entry['reliability']])


def _json(file: Path) -> dict:
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
    except OSError as error:
        raise UserError(f'{file}: {error.strerror}; check the path') from None
    except ValueError:
        raise UserError(f'{file}: not json; make it again') from None
    if not isinstance(content, dict):
        raise UserError(f'{file}: not an object of json; make it again')
    return content
