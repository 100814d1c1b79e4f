"""A thing on a slide as light sees it, and the optics it is seen with.

Light passes through what lies on a slide, so a drawing is optical density (-log of transmitted light), which adds up;
negative density is light that refraction gathers.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from plugins.samples.texture import blur

OVERSAMPLING = 2  # things are drawn larger and shrunk: anti-aliasing
BILE = np.array([0.36, 0.62, 1.0], np.float32)  # absorption of red, green, blue by brown pigment
TISSUE = np.array([0.86, 0.84, 0.90], np.float32)  # by unstained matter


@dataclass(frozen=True)
class Optics:
    """How a slide is looked at.

    Attributes:
        um: oversampled pixels per um.
        light: (x, y) direction of the oblique light.
        stain: strength of bile or iodine colour.
    """

    um: float
    light: tuple[float, float] = (0.7, 0.7)
    stain: float = 1.0


@dataclass(frozen=True)
class Drawing:
    """A patch of a slide of (H, W) pixels.

    Attributes:
        pigment: (H, W) float32 density, coloured by ``tint``.
        grey: (H, W) float32 density, coloured by TISSUE.
        tint: (3,) float32 absorption of red, green, blue.
        silhouette: (OVERSAMPLING * H, OVERSAMPLING * W) bool, the thing itself without halo and blur.
    """

    pigment: np.ndarray
    grey: np.ndarray
    tint: np.ndarray
    silhouette: np.ndarray


def focus(density: np.ndarray, optics: Optics, away_um: float) -> np.ndarray:
    """Shrink an oversampled density to pixels, blurred as the optics do ``away_um`` from the plane of focus."""
    height, width = (n // OVERSAMPLING for n in density.shape)
    shrunk = cv2.resize(density, (width, height), interpolation=cv2.INTER_AREA)
    return blur(shrunk, (0.55 + abs(away_um)) * optics.um / OVERSAMPLING)
