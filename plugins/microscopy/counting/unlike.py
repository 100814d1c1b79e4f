"""Groups whose pictures do not look like the training pictures."""

from collections.abc import Callable

import numpy as np

from detplug.errors import UserError
from detplug.images.sources import SLIDE, FrozenList, Item
from detplug.images.window import Window
from detplug.runtime.results import Results
from detplug.runtime.run_folder import INPUTS

from ..inspection.appearance import Profile, differences, figures_of, size_of_boxes


def unlike_groups(
    results: Results,
    group: Callable[[str], str],
    profile: Profile,
    thresholds: dict[str, float],
    window: Window | None = None,
) -> tuple[dict[str, list[str]], list[str]]:
    """Group -> in what it is unlike the training pictures, and a line for each picture that cannot be read any more.

    Sizes of objects are those of the boxes from ``thresholds`` (class -> score) on.
    """
    rows: dict[str, list[dict[str, float]]] = {}
    boxes: dict[str, list[np.ndarray]] = {}
    unread = []
    items = {item.name: item for item in FrozenList(results.folder / INPUTS)}
    for picture in results.pictures():
        key = group(picture.name)
        try:
            rows.setdefault(key, []).append(_figures(items[picture.name], window))
        except (UserError, OSError, KeyError) as error:
            unread.append(f'{picture.name}: not compared with the training pictures: {error}')
        kept = picture.scores >= np.array([thresholds[name] for name in picture.names])
        boxes.setdefault(key, []).append(picture.boxes[kept])
    found = {}
    for key, parts in boxes.items():
        lines = differences(profile, [*rows.get(key, []), size_of_boxes(np.concatenate(parts))])
        if lines:
            found[key] = lines
    return found, unread


def _figures(item: Item, window: Window | None) -> dict[str, float]:
    if item.kind == SLIDE:
        return figures_of(item.open_slide().size, item.read_region)
    pixels = item.read(window)
    return figures_of(pixels.shape[1::-1], lambda x, y, width, height: pixels[y : y + height, x : x + width])
