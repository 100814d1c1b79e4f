"""Image results for the report tests."""

import cv2
import numpy as np
import pytest

from detplug.evaluation.image_result import ImageResult


@pytest.fixture
def make_images(tmp_path):
    """Function ``(count, classes, objects) -> list[ImageResult]``: picture files, truth, and truth with errors."""

    def make(count: int, classes: int, objects: int) -> list[ImageResult]:
        rng = np.random.default_rng(0)
        return [_image(rng, tmp_path / f'slide <{i}> & Co.png', classes, objects) for i in range(count)]

    return make


def _image(rng, path, classes, objects):
    cv2.imwrite(str(path), rng.integers(0, 255, (96, 128, 3), dtype=np.uint8))
    corner = rng.uniform(0, 80, (objects, 2))
    truth = np.concatenate([corner, corner + rng.uniform(5, 16, (objects, 2))], axis=1)
    labels = rng.integers(0, classes, objects)
    kept = rng.random(objects) < 0.8
    return ImageResult(
        path.stem,
        str(path),
        128,
        96,
        truth,
        labels,
        rng.random(objects) < 0.1,
        (truth[:, 2:] - truth[:, :2]).prod(axis=1),
        truth[kept] + rng.normal(0, 1, (kept.sum(), 4)),
        np.where(rng.random(kept.sum()) < 0.9, labels[kept], 0),
        rng.random(kept.sum()),
    )
