"""Embedding of CCE: a crop of a labelled object is mixed into another image, and its box joins the labels.

x_syn = beta b_j + (1 - beta) x_i with beta = 0.5 and y_j appended are the paper's; context, scale, turns, the place and
the two other mixtures are ours. Images are (H, W, 3), boxes xyxy in pixels.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from detplug.evaluation.matching import overlaps

from .tone import retoned, tone_around


@dataclass(frozen=True)
class Crop:
    """An object with some of its surroundings.

    Args:
        pixels: (h, w, 3) uint8.
        box: (4,) the object's box within ``pixels``, px.
        label: 0..K-1, a known class.
        source: 'gt' or 'pseudo'.
        score: of the box that was cut out; 1 for ground truth.
        image_id: where it comes from.
        tone: (2, 3) of the slide around it, see tone.py; needed to match it.
    """

    pixels: np.ndarray
    box: np.ndarray
    label: int
    source: str = 'gt'
    score: float = 1.0
    image_id: int | str = -1
    tone: np.ndarray | None = None


@dataclass(frozen=True)
class EmbedRule:
    """How crops are changed, placed and mixed.

    Args:
        mode: 'blend' (beta everywhere), 'paste' (the crop covers) or 'feather' (covers the box, fades in the context).
        beta: share of the crop in a blend.
        context: what is cut out around a box, as a share of its sides.
        zoom: range of the scale factor.
        max_iou: with a box that is there already.
        tries: places that are tried; then the crop is left out.
        max_cover: a box of which a larger share is covered loses its label.
        match_tone: give the crop the colours of its new place (tone.py; ours).
    """

    mode: str = 'blend'
    beta: float = 0.5
    context: float = 0.1
    zoom: tuple[float, float] = (0.8, 1.2)
    max_iou: float = 0.1
    tries: int = 5
    max_cover: float = 0.7
    match_tone: bool = False

    def __post_init__(self):
        if self.mode not in ('blend', 'paste', 'feather'):
            raise ValueError(f'EmbedRule: mode is {self.mode!r}; give blend, paste or feather')
        if not 0 < self.beta <= 1:
            raise ValueError(f'EmbedRule: beta is {self.beta}; give a number above 0 and at most 1')


def cut_out(image: np.ndarray, box: np.ndarray, label: int, context: float = 0.1, **origin) -> Crop | None:
    """The crop of a box with its context, as far as the image goes; None where less than 2 px of a side are in it."""
    height, width = image.shape[:2]
    margin = context * (box[2:] - box[:2])
    x1, y1 = np.floor(np.maximum(box[:2] - margin, 0)).astype(int)
    x2, y2 = np.ceil(np.minimum(box[2:] + margin, (width, height))).astype(int)
    if min(x2 - x1, y2 - y1) < 2:
        return None
    inside = np.clip(box - (x1, y1, x1, y1), 0, (x2 - x1, y2 - y1) * 2).astype(np.float32)
    return Crop(image[y1:y2, x1:x2].copy(), inside, int(label), tone=tone_around(image, (x1, y1, x2, y2)), **origin)


def vary(crop: Crop, rule: EmbedRule, generator: np.random.Generator) -> Crop:
    """A scaled, mirrored and turned crop: a slide has no upside."""
    pixels, box = crop.pixels, crop.box
    factor = generator.uniform(*rule.zoom)
    size = tuple(max(2, round(side * factor)) for side in pixels.shape[1::-1])
    box = box * np.tile(np.array(size) / pixels.shape[1::-1], 2)
    pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
    if generator.random() < 0.5:
        pixels, box = pixels[:, ::-1], np.array([size[0] - box[2], box[1], size[0] - box[0], box[3]])
    for _ in range(generator.integers(4)):  # each a quarter turn to the left
        width = pixels.shape[1]
        pixels, box = np.rot90(pixels), np.array([box[1], width - box[2], box[3], width - box[0]])
    return replace(crop, pixels=np.ascontiguousarray(pixels), box=box.astype(np.float32))


def free_place(
    crop: Crop, image: np.ndarray, boxes: np.ndarray, rule: EmbedRule, generator: np.random.Generator
) -> tuple[int, int] | None:
    """Left upper corner in the image where the crop overlaps no box by much and does not lie on padding alone."""
    height, width = crop.pixels.shape[:2]
    room = np.array(image.shape[1::-1]) - (width, height)
    if (room < 0).any():
        return None
    corners = generator.integers(0, room + 1, (rule.tries, 2))
    free = (overlaps(crop.box + np.tile(corners, 2), boxes) < rule.max_iou).all(axis=1)
    for x, y in corners[free].tolist():
        part = image[y : y + height : 4, x : x + width : 4]
        if np.ptp(part[..., 0]) > 0:
            return x, y
    return None


def mixing_weight(crop: Crop, rule: EmbedRule) -> np.ndarray:
    """(h, w) float32 share of the crop at each pixel."""
    height, width = crop.pixels.shape[:2]
    if rule.mode != 'feather':
        return np.full((height, width), rule.beta if rule.mode == 'blend' else 1.0, np.float32)
    x1, y1, x2, y2 = crop.box
    column, row = np.arange(width) + 0.5, np.arange(height) + 0.5
    sides = [
        np.minimum(place / max(low, 0.5), (length - place) / max(length - high, 0.5)).clip(0, 1)
        for place, low, high, length in ((column, x1, x2, width), (row, y1, y2, height))
    ]
    return np.minimum(sides[0][None], sides[1][:, None]).astype(np.float32)


def uncovered(boxes: np.ndarray, region: np.ndarray, rule: EmbedRule) -> np.ndarray:
    """(M,) bool: boxes of which at most ``max_cover`` lies under the (4,) region."""
    sides = (np.minimum(boxes[:, 2:], region[2:]) - np.maximum(boxes[:, :2], region[:2])).clip(min=0)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return sides.prod(axis=1) <= rule.max_cover * areas


def embed(
    image: np.ndarray, boxes: np.ndarray, crop: Crop, rule: EmbedRule, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """Mix a varied ``crop`` into ``image``, in place.

    Args:
        image: (H, W, 3) uint8, writable.
        boxes: (M, 4) of all that is labelled or ignored in it.

    Returns:
        (4,) box of the new object and (M,) bool boxes that keep their label; None where no place was free.
    """
    crop = vary(crop, rule, generator)
    corner = free_place(crop, image, boxes, rule, generator)
    if corner is None:
        return None
    (x, y), (height, width) = corner, crop.pixels.shape[:2]
    weight = mixing_weight(crop, rule)[..., None]
    region = np.array([x, y, x + width, y + height])
    pixels = retoned(crop.pixels, crop.tone, tone_around(image, region)) if rule.match_tone else crop.pixels
    part = image[y : y + height, x : x + width]
    part[:] = np.rint(weight * pixels + (1 - weight) * part).astype(np.uint8)
    return crop.box + np.tile(corner, 2), uncovered(boxes, region, rule)
