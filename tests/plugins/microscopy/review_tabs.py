"""A prediction of three pictures with three boxes each, and a tab of a browser that decides on them."""

import sys
from itertools import count
from pathlib import Path

import cv2
import numpy as np

from detplug.cli.main import main
from plugins.microscopy.review.review import Review

sys.path.insert(0, str(Path(__file__).parents[2] / 'cli'))
from tiny_bundle import write_bundle  # noqa: E402

PORT, TOKEN = 8421, 'T' * 43
ADDRESS = f'http://127.0.0.1:{PORT}'


def predict(folder: Path, names=('a.png', 'b.png', 'c.png'), classes=('egg', 'Würmer'), paths=(), options=()) -> Path:
    """Results of ``paths``, or of pictures of 64x48 px with smooth noise, under these names."""
    pictures = folder / 'pictures'
    for number, name in enumerate(() if paths else names):
        path = pictures / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 250, (6, 8)).astype(np.uint8)
        noise[2, 2] = 255
        picture = cv2.cvtColor(cv2.resize(noise, (64, 48), interpolation=cv2.INTER_CUBIC), cv2.COLOR_GRAY2BGR)
        path.write_bytes(cv2.imencode('.png', picture)[1].tobytes())
    bundle = write_bundle(folder / 'bundle', 'ood_scores', [0.2, 0.9, 0.5], classes)
    out = folder / 'out'
    words = [bundle, *(paths or [pictures]), '--out', out, '--no-pictures', *options]
    assert main(['predict', *map(str, words)]) == 0
    return out


class Tab:
    """A tab of a browser: the decisions that it sends."""

    ids = count()

    def __init__(self, review: Review, name: str = 'tab') -> None:
        self.review, self.name = review, name

    def request(self, key: str, action: str, **more) -> dict:
        base = dict(
            run=self.review.results.identity, id=f'id{next(self.ids)}', tab=self.name, object=key, action=action
        )
        return base | dict(revision=self.review.revision.get(key, 0)) | more

    def decide(self, key: str, action: str, **more) -> dict:
        return self.review.decide(self.request(key, action, **more))
