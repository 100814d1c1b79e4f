"""What prediction asks of an engine, and of what opens one in each of its processes."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from detplug.images.window import Window
from detplug.runtime.detections import Detections


class Engine(Protocol):
    """A detector that is ready to predict.

    Attributes:
        names: of the classes, in label order.
        fields: names of what it may say of detections beside box, score and label.
        device: what it computes on, for the screen.
        batch: images that it takes at once.
        window: how its images of more than 8 bit become 8 bit; None refuses those.

    An engine whose thresholds were chosen on validation pictures has them as ``chosen``
    (:class:`detplug.runtime.thresholds.Chosen`). An engine with ``by_name = True`` is called with ``names``, of the
    pictures, too.
    """

    names: tuple[str, ...]
    fields: tuple[str, ...]
    device: str
    batch: int
    window: Window | None

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Detections of at most ``batch`` images, (H, W, 3) uint8 BGR each, in descending order of score."""


class EngineSource(Protocol):
    """Opens an engine; is pickled to each process of a prediction."""

    def open(self, threads: int | None = None) -> Engine:
        """The engine; ``threads`` inside an operator, all cores by default.

        Raises:
            UserError: files that are wrong, or a device that is not there.
        """

    def identity(self) -> dict[str, Any]:
        """What makes its results those of this engine: a run is resumed only by the same. Plain JSON."""


def field_names(outputs: Sequence[str]) -> tuple[str, ...]:
    """Names of the fields that extra outputs of a network make."""
    from detplug.runtime.result_field import result_fields

    if not outputs:
        return ()
    owners = {output: name for name, field in result_fields().items() for output in field.outputs}
    return tuple(dict.fromkeys(owners.get(output, output) for output in outputs))
