"""A slide under the microscope: ground matter, uneven light, the drawings on it, and the camera."""

import math

import cv2
import numpy as np

from plugins.samples.drawing import BILE, OVERSAMPLING, TISSUE, Drawing, Optics
from plugins.samples.texture import blur, fresh_grain, grain

UM_WIDE = 455.0  # width of the field of view, about that of a 40x objective


class Slide:
    """A square field of view that drawings are added to.

    Attributes:
        ground: (3, size, size) float32 RGB density of the matter that covers the whole slide.
        tinted: (3, size, size) float32 red, green, blue density of pigments.
        grey: (size, size) float32 density of unstained matter.
        occupied: (S, S) bool, S = OVERSAMPLING * size, under the silhouettes of eggs.
        eggs: (x, y) centres of the eggs in oversampled pixels.
    """

    def __init__(self, size: int, rng: np.random.Generator):
        self.size = size
        self.width = OVERSAMPLING * size
        angle = rng.uniform(0, 2 * math.pi)
        self.optics = Optics(
            self.width / UM_WIDE * rng.uniform(0.93, 1.07),
            (math.cos(angle), math.sin(angle)),
            stain=rng.uniform(0.8, 1.25),
        )
        self.ground = _ground(size, self.optics.um / OVERSAMPLING, self.optics.stain, rng)
        self.tinted = np.zeros((3, size, size), np.float32)
        self.grey = np.zeros((size, size), np.float32)
        self.eggs = []
        self.occupied = np.zeros((self.width, self.width), bool)

    def overlap(self, silhouette: np.ndarray, left: int, top: int) -> tuple[int, int]:
        """(pixels of the silhouette inside the field, of these the occupied ones) at a position."""
        inside, window = self.windows(silhouette.shape, left, top)
        part = silhouette[inside]
        return np.count_nonzero(part), np.count_nonzero(part & self.occupied[window])

    def add(self, drawing: Drawing, left: int, top: int, egg: bool = False) -> None:
        """Lay the drawing with its upper left corner at (left, top), multiples of OVERSAMPLING; cut off outside."""
        inside, window = self.windows(drawing.silhouette.shape, left, top)
        if egg:
            self.occupied[window] |= drawing.silhouette[inside]
            height, width = drawing.silhouette.shape
            self.eggs.append((left + width / 2, top + height / 2))
        inside, window = (
            tuple(slice(s.start // OVERSAMPLING, s.stop // OVERSAMPLING) for s in slices) for slices in (inside, window)
        )
        pigment = drawing.pigment[inside]
        for plane, absorption in zip(self.tinted, drawing.tint, strict=True):
            plane[window] += pigment * absorption
        self.grey[window] += drawing.grey[inside]

    def windows(self, shape: tuple[int, int], left: int, top: int):
        """(slices of a drawing of this shape that lie inside the field, the same slices of the field)."""
        inside, window = [], []
        for start, length in ((top, shape[0]), (left, shape[1])):
            low, high = max(start, 0), max(min(start + length, self.width), max(start, 0))
            inside.append(slice(min(low - start, length), min(high - start, length)))
            window.append(slice(min(low, self.width), min(high, self.width)))
        return tuple(inside), tuple(window)

    def photograph(self, rng: np.random.Generator) -> np.ndarray:
        """The camera's picture: (size, size, 3) uint8 RGB."""
        light = _light(self.size, rng)
        noise = self._shot_noise(rng)
        picture = self.ground + self.tinted
        for plane, absorption, lamp in zip(picture, TISSUE, light, strict=True):
            cv2.scaleAdd(self.grey, float(absorption), plane, plane)
            cv2.exp(np.minimum(np.negative(plane, out=plane), 0.28, out=plane), plane)
            plane *= lamp
        return _camera(picture, noise, rng)

    def _shot_noise(self, rng: np.random.Generator) -> np.ndarray:
        """(3, size, size) noise of the sensor, a little blurred by its colour mosaic."""
        first, second = np.frombuffer(rng.bytes(6 * self.size**2), np.uint8).reshape(2, 3, self.size, self.size)
        noise = first.astype(np.float32)
        noise += second
        noise -= 255  # the sum of two uniform numbers, of standard deviation 104.5: near enough to normal, and fast
        noise *= rng.uniform(0.010, 0.022) / 104.5
        for plane in noise:
            cv2.addWeighted(plane, 0.6, blur(plane, 0.8), 0.9, 0, plane)
        return noise


def _camera(picture: np.ndarray, noise: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Colour errors, sharpening and noise: (3, S, S) float32 light, 0 .. 1, as (S, S, 3) uint8; changes ``picture``."""
    size = picture.shape[1]
    sharpening = rng.uniform(0.25, 0.55)
    planes = []
    for plane, soft, sign in zip(picture, (0.35, 0.0, 0.50), (1, 0, -1), strict=True):
        scale = 1 + sign * rng.uniform(0, 0.003)
        shift = (1 - scale) * size / 2 + rng.normal(0, 0.12, 2) * abs(sign)
        if sign:  # red and blue focus a little elsewhere and are magnified a little differently
            plane = blur(plane, soft * size / 320)
            matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
            plane = cv2.warpAffine(plane, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)
        cv2.addWeighted(plane, 1 + sharpening, blur(plane, 1.2), -sharpening, 0, plane)
        plane += cv2.sqrt(np.maximum(plane, 0)) * noise[len(planes)]
        planes.append(cv2.convertScaleAbs(np.maximum(plane, 0, out=plane), alpha=255))
    return cv2.merge(planes)


def _ground(size: int, um: float, stain: float, rng: np.random.Generator) -> np.ndarray:
    """Density of the fine matter that covers the whole slide: clouds, granules out of focus, specks.

    ``um``: pixels per um. Returns (3, size, size) float32.
    """
    shape = (size, size)
    thickness = rng.uniform(0.5, 1.5) * stain
    clouds = 0.6 * fresh_grain(rng, shape, 32 * um)
    clouds += 0.5 * fresh_grain(rng, shape, 11 * um)
    clouds += 0.25 * fresh_grain(rng, shape, 5 * um)
    matter = np.clip(0.35 + 0.4 * clouds, 0, 2)
    pigment = cv2.addWeighted(grain(rng, shape, 2.6 * um), 0.032, grain(rng, shape, 1.1 * um), 0.030, 0)
    pigment *= matter + 0.4
    cv2.addWeighted(pigment, thickness, matter, 0.10 * thickness, 0, pigment)
    grey = _specks(shape, um, rng)
    cv2.scaleAdd(clouds, 0.02, grey, grey)
    return np.stack([cv2.addWeighted(pigment, float(b), grey, float(t), 0) for b, t in zip(BILE, TISSUE, strict=True)])


def _specks(shape: tuple[int, int], um: float, rng: np.random.Generator) -> np.ndarray:
    """Bacteria and granules: sparse points, sharp to soft, with a faint bright rim."""
    total = np.zeros(shape, np.float32)
    for sigma, count, density in ((0.9, 400, 0.14), (1.4, 260, 0.17), (2.8, 60, 0.15)):
        soft = max(sigma * um, 0.6)
        points = np.zeros(shape, np.float32)
        rows, columns = rng.integers(0, shape[0], (2, int(count * rng.uniform(0.15, 1.3))))
        points[rows, columns] = rng.uniform(0.2, 1.0, len(rows)) * density * (2 * np.pi * soft**2 + 0.5)
        total += blur(points, soft)
    cv2.addWeighted(total, 1.3, blur(total, 2.2 * um), -0.45, 0, total)
    return total


def _light(size: int, rng: np.random.Generator) -> np.ndarray:
    """(3, size, size) lamp light: colour, a slope across the field, and a vignette round an off-centre axis."""
    y, x = np.indices((32, 32), dtype=np.float32) / 15.5 - 1
    centre = rng.normal(0, 0.18, 2)
    radius = (x - centre[0]) ** 2 + (y - centre[1]) ** 2
    slope = rng.normal(0, 0.035, 2)
    even = 1 - rng.uniform(0.06, 0.17) * radius + slope[0] * x + slope[1] * y
    warm = rng.uniform(0, 1)
    colour = np.array([0.90 + 0.02 * warm, 0.87 - 0.03 * warm, 0.80 - 0.14 * warm]) * rng.uniform(0.92, 1.06)
    amber = rng.uniform(0.0, 0.10) * radius  # corners are warmer
    planes = [even * tone * (1 - share * amber) for tone, share in zip(colour, (0, 0.5, 1), strict=True)]
    return np.stack([cv2.resize(p.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC) for p in planes])
