"""What :class:`detplug.Detector` returns; notebooks show it. Imports no torch."""

import base64
import html
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from detplug.runtime.detections import Detections

SHOWN = 8  # pictures of a notebook's cell
WIDTH = 640  # px, of a picture in a notebook, at most


@dataclass(frozen=True)
class PictureResult:
    """One picture and its objects.

    Attributes:
        name: of the file, or the number of an array.
        image: (H, W, 3) uint8 BGR.
        detections: boxes (D, 4) xyxy px of the picture, scores (D,) from 0 to 1, labels (D,), names of the classes.
    """

    name: str
    image: np.ndarray
    detections: Detections

    @property
    def boxes(self) -> np.ndarray:
        """(D, 4) float32 xyxy, px."""
        return self.detections.boxes

    @property
    def scores(self) -> np.ndarray:
        """(D,) float32, descending."""
        return self.detections.scores

    @property
    def names(self) -> list[str]:
        """The name of each of the D objects."""
        return [self.detections.names[label] for label in self.detections.labels.tolist()]

    def __len__(self) -> int:
        return len(self.detections)

    def drawn(self) -> np.ndarray:
        """A copy of the picture with its objects, (H, W, 3) uint8 BGR."""
        from detplug.runtime.pictures import draw
        from detplug.runtime.result_field import result_fields

        return draw(self.image, self.detections, result_fields() if self.detections.fields else {})

    def save(self, path: str | Path) -> Path:
        """Write the drawn picture; the suffix of ``path`` says in which format.

        Raises:
            UserError: a path that cannot be written.
        """
        import cv2

        from detplug.errors import UserError

        try:
            done = cv2.imwrite(str(path), self.drawn())
        except cv2.error:
            done = False
        if not done:
            raise UserError(f'{path}: cannot be written; give a folder that is there and a suffix such as .png')
        return Path(path)

    def __repr__(self) -> str:
        counts = Counter(self.names)
        return f'{self.name}: {", ".join(f"{count} {name}" for name, count in counts.items()) or "no object"}'

    def _repr_png_(self) -> bytes:
        import cv2

        picture = self.drawn()
        if picture.shape[1] > WIDTH:
            scale = WIDTH / picture.shape[1]
            picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return cv2.imencode('.png', picture)[1].tobytes()


@dataclass(frozen=True)
class Results(Sequence[PictureResult]):
    """The pictures of one prediction, in order; ``errors`` are the lines of those that could not be read."""

    pictures: list[PictureResult]
    errors: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int | slice) -> PictureResult | list[PictureResult]:
        return self.pictures[index]

    def __iter__(self) -> Iterator[PictureResult]:
        return iter(self.pictures)

    def __repr__(self) -> str:
        return '\n'.join([*map(repr, self.pictures), *(f'not read: {line}' for line in self.errors)]) or 'no picture'

    def _repr_html_(self) -> str:
        cells = []
        for result in self.pictures[:SHOWN]:
            data = base64.b64encode(result._repr_png_()).decode()
            text = html.escape(repr(result))
            cells.append(f'<figure style="display:inline-block;margin:4px"><img style="max-width:320px" alt="{text}" '
                         f'src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>')  # fmt: skip
        left = len(self.pictures) - len(cells)
        lines = [f'<p>and {left} more pictures</p>'] if left > 0 else []
        return ''.join([*cells, *lines, *(f'<p>not read: {html.escape(line)}</p>' for line in self.errors)])


class Metrics(dict[str, float]):
    """Flat figures of an evaluation: map, map50, ap/CLASS, ...; ``report`` is the page that shows them."""

    def __init__(self, figures: Mapping[str, float], report: Path | None = None):
        super().__init__(figures)
        self.report = report

    def __repr__(self) -> str:
        shown = [f'{name} {self[name]:.3f}' for name in ('map', 'map50') if name in self]
        return f'Metrics({", ".join(shown)}, {len(self)} figures)'

    def _repr_html_(self) -> str:
        rows = ''.join(f'<tr><td>{html.escape(name)}</td><td>{value:.3f}</td></tr>' for name, value in self.items())
        report = f'<p>{html.escape(str(self.report))}</p>' if self.report else ''
        return f'<table><tr><th>figure</th><th>value</th></tr>{rows}</table>{report}'
