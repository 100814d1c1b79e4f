"""What reading a data set found odd in it: counted by kind, listed in a file, refused where too many boxes are lost."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

FILE = 'anomalies.csv'
COLUMNS = ('annotations', 'kind', 'file', 'details')
MOST_UNUSABLE = 0.01  # of the boxes; more is rarely chance (annotations of another image size, say)
UNUSABLE = ('degenerate box', 'box outside the image')  # how the kinds of boxes without area in their image begin


@dataclass(frozen=True)
class AnnotationAudit:
    """What one data set found while it read its annotations.

    Attributes:
        source: what messages call the annotations.
        images, boxes: how many the annotations have.
        anomalies: lines ``KIND: FILE: details``.
        targets: how many things a detector can be scored by: such as boxes of its classes that are not
            ignored; None where nobody counted them.
        target: what one of these is called.
    """

    source: str
    images: int
    boxes: int
    anomalies: Sequence[str]
    targets: int | None = None
    target: str = 'box of the classes'

    @property
    def kinds(self) -> dict[str, int]:
        """Kind -> number of its lines, the most frequent first."""
        return dict(Counter(line.partition(': ')[0] for line in self.anomalies).most_common())

    @property
    def unusable(self) -> int:
        """Boxes that have no area inside their image, so that nothing can be learned or scored there."""
        return sum(count for kind, count in self.kinds.items() if kind.startswith(UNUSABLE))

    def too_many_unusable(self) -> bool:
        """Whether more than ``MOST_UNUSABLE`` of the boxes are."""
        return self.unusable > MOST_UNUSABLE * self.boxes

    def summary(self) -> str:
        """One line: images, boxes and anomalies by kind."""
        kinds = ', '.join(f'{count} x {kind}' for kind, count in self.kinds.items())
        return f'{self.source}: {self.images} images, {self.boxes} boxes; {kinds or "no anomalies"}'


def audits_of(dataset: Any) -> Iterator[AnnotationAudit]:
    """The ``audit`` of each data set in ``dataset``, which may wrap one (``dataset``) or several (``datasets``)."""
    for part in getattr(dataset, 'datasets', ()):
        yield from audits_of(part)
    if hasattr(dataset, 'dataset'):
        yield from audits_of(dataset.dataset)
    elif isinstance(getattr(dataset, 'audit', None), AnnotationAudit):
        yield dataset.audit


def anomalies_text(audits: Iterable[AnnotationAudit]) -> str:
    """Csv with ``COLUMNS``, a row an anomaly."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    rows.writerows((audit.source, *columns_of(line)) for audit in audits for line in audit.anomalies)
    return text.getvalue()


def columns_of(line: str) -> tuple[str, str, str]:
    """(kind, file, details) of a line of anomalies."""
    kind, _, rest = line.partition(': ')
    file, _, details = rest.partition(': ')
    return kind, file, details
