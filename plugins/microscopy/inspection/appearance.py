"""Does a slide look like the training slides? Light, stain, focus and magnification, at the pixels of the pictures.

The profile of training pictures is the median of each figure and its robust spread; a slide whose median lies far from
it is named, for its counts are those of a detector that was not made for it.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from detplug.errors import UserError
from detplug.runtime.run_folder import write_json

FORMAT = 'detplug-appearance-1'
CROP, GRID = 512, 3  # px, side of a crop; crops along each side of a picture
UNLIKE = 4.0  # spreads from the median of the training pictures
SIZE = 'magnification (size of objects)'
LEAST = {  # smallest spread of each figure, for sets whose pictures are all alike
    'brightness': 4.0,
    'contrast': 0.1,
    'stain (green to red)': 1.5,
    'stain (blue to yellow)': 1.5,
    'focus': 0.1,
    SIZE: 0.1,
}
FEWEST_BOXES = 10  # of a slide, to say anything of its magnification
FEWEST_PICTURES = 5  # of training, to say what they look like
SWELL = 1.4826  # median absolute deviation -> standard deviation of a normal distribution
Profile = Mapping[str, tuple[float, float]]


def figures_of(size: tuple[int, int], read: Callable[[int, int, int, int], np.ndarray]) -> dict[str, float]:
    """The figures of a picture, medians over crops.

    Args:
        size: (width, height) px. read: x, y, width, height -> (height, width, 3) uint8 BGR.
    """
    sides = [min(CROP, side) for side in size]
    corners = [np.unique(np.linspace(0, side - crop, GRID).astype(int)) for side, crop in zip(size, sides, strict=True)]
    rows = [_of_crop(read(int(x), int(y), *sides)) for y in corners[1] for x in corners[0]]
    return {name: float(np.median([row[name] for row in rows])) for name in rows[0]}


def _of_crop(pixels: np.ndarray) -> dict[str, float]:
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    _, a, b = cv2.cvtColor(pixels, cv2.COLOR_BGR2LAB).reshape(-1, 3).mean(0).tolist()
    contrast = float(grey.std())
    edges = float(cv2.Laplacian(grey, cv2.CV_32F).std())
    values = (float(grey.mean()), math.log(contrast + 1), a, b, math.log((edges + 0.1) / (contrast + 1)))
    return dict(zip(LEAST, values, strict=False))


def size_of_boxes(boxes: Sequence[Sequence[float]], fewest: int = FEWEST_BOXES) -> dict[str, float]:
    """Logarithm of the median side of xyxy boxes; {} for fewer than ``fewest``."""
    sides = np.array(boxes, np.float64).reshape(-1, 4)
    areas = np.prod(sides[:, 2:] - sides[:, :2], axis=1)
    areas = areas[areas > 0]
    return {SIZE: float(np.log(np.median(areas)) / 2)} if len(areas) >= fewest else {}


def profile_of(pictures: Sequence[Mapping[str, float]]) -> Profile:
    """Figure -> (median, spread) of training pictures.

    Raises:
        UserError: too few pictures.
    """
    if len(pictures) < FEWEST_PICTURES:
        raise UserError(f'--appearance: {len(pictures)} pictures could be read, {FEWEST_PICTURES} or more are needed')
    profile = {}
    for name, least in LEAST.items():
        values = np.array([row[name] for row in pictures if name in row])
        if len(values):
            centre = float(np.median(values))
            profile[name] = (centre, max(least, float(SWELL * np.median(np.abs(values - centre)))))
    return profile


def differences(profile: Profile, pictures: Sequence[Mapping[str, float]]) -> list[str]:
    """In which figures pictures are unlike the profile, ``focus -7.2 spreads``; [] where in none."""
    lines = []
    for name, (centre, spread) in profile.items():
        values = [row[name] for row in pictures if name in row]
        distance = (float(np.median(values)) - centre) / spread if values else 0.0
        if abs(distance) > UNLIKE:
            lines.append(f'{name} {distance:+.1f} spreads')
    return lines


def write_profile(path: Path, profile: Profile) -> None:
    """Into a json file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, dict(format=FORMAT, figures=profile))


def read_profile(path: str) -> Profile:
    """From a json file.

    Raises:
        UserError: it is not there, or another file.
    """
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
        if content['format'] != FORMAT:
            raise KeyError('format')
        return {name: (float(content['figures'][name][0]), float(content['figures'][name][1]))
                for name in LEAST if name in content['figures']}  # fmt: skip
    except OSError as error:
        raise UserError(f'{path}: --appearance: {error.strerror}; check the path') from None
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UserError(f'{path}: not what detplug inspect --appearance writes ({error}); make it again') from None
