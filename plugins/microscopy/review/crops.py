"""Pixels for the page: a crop of each box, and fields of view; a picture is decoded once for all of its boxes."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import cv2
import numpy as np

from detplug.errors import ImageError
from detplug.images.slides import Slide
from detplug.images.sources import FRAME, SLIDE
from detplug.images.tiled_engine import crop
from detplug.runtime.collect import BOX
from detplug.runtime.review_gallery import crop_window, cut_crop
from plugins.microscopy.review.results import Results

SIDE, FIELD_SIDE = 320, 1600  # px, longer side of a crop and of a field of view as they are sent
PICTURE_BYTES, CROP_BYTES = 2**29, 2**27  # that are kept in memory
CUT_AT_ONCE = 500  # crops of a picture that are cut when it is decoded
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 88]


class RecentlyUsed:
    """Values by key; the oldest are dropped when all together are larger than ``most`` bytes, the last one never."""

    def __init__(self, most: int) -> None:
        self.most, self.bytes = most, 0
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Any:
        """The value, None where it is not there."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keep a value of so many bytes."""
        with self._lock:
            self.bytes += size - self._values.pop(key, (None, 0))[1]
            self._values[key] = value, size
            while self.bytes > self.most and len(self._values) > 1:
                self.bytes -= self._values.popitem(last=False)[1][1]


class Crops:
    """JPEG files of the boxes and the fields of view of a prediction, for any number of threads."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self._pictures, self._crops = RecentlyUsed(PICTURE_BYTES), RecentlyUsed(CROP_BYTES)
        self._locks = [threading.Lock() for _ in range(8)]  # a picture is decoded by one thread
        self._rows: dict[int, list[int]] = {}
        for row, number in enumerate(results.boxes.picture.tolist()):
            self._rows.setdefault(number, []).append(row)

    def crop(self, row: int) -> bytes:
        """Of the box ``row``, with what is around it.

        Raises:
            UserError: the picture cannot be read any more, or has another size than it had.
        """
        found = self._crops.get(row)
        if found is None:
            number = int(self.results.boxes.picture[row])
            picture = self._picture(number)
            rows = self._rows[number][:CUT_AT_ONCE] if isinstance(picture, np.ndarray) else []
            for one in {row, *rows}:
                self._cut(picture, one)
            found = self._crops.get(row) or self._cut(picture, row)
        return found

    def field(self, number: int, region: tuple[int, int, int, int]) -> bytes:
        """Of the picture ``number`` the region x, y, width, height (px, cut at its edges), at most 1600 px a side.

        Raises:
            UserError: as :meth:`crop`; nothing of the region is inside.
        """
        limit, (x, y, width, height) = self.results.pictures[number].size, region
        low = [min(max(v, 0), side) for v, side in zip((x, y), limit, strict=True)]
        high = [min(max(v, 0), side) for v, side in zip((x + width, y + height), limit, strict=True)]
        if not all(b > a for a, b in zip(low, high, strict=True)):
            raise ImageError(f'{self.results.pictures[number].item.name}: nothing of this region is in the picture')
        pixels = crop(self._picture(number), (*low, *high))
        scale = min(1.0, FIELD_SIDE / max(pixels.shape[:2]))
        if scale < 1:
            pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return jpeg(pixels)

    def frame(self, row: int) -> list[float]:
        """Where the box ``row`` is in its crop: left, top, width, height as shares of it; its width / its height."""
        size = self.results.pictures[int(self.results.boxes.picture[row])].size
        box = self._box(row)
        low, high = crop_window(size, box)
        sides = (high - low).tolist()
        corner = [(box[key] - low[i]) / sides[i] for i, key in enumerate(('x', 'y'))]
        shares = [*corner, box['width'] / sides[0], box['height'] / sides[1], sides[0] / sides[1]]
        return [round(float(x), 4) for x in shares]

    def _box(self, row: int) -> dict[str, float]:
        return dict(zip(BOX, self.results.boxes.xywh[row].tolist(), strict=True))

    def _cut(self, picture: np.ndarray | Slide, row: int) -> bytes:
        data = jpeg(cut_crop(picture, self._box(row), SIDE)[0])
        self._crops.put(row, data, len(data))
        return data

    def _picture(self, number: int) -> np.ndarray | Slide:
        """The pixels, or the slide that is read by regions."""
        item, size = self.results.pictures[number].item, self.results.pictures[number].size
        if item.kind == SLIDE:
            return _checked(item.open_slide(), size, item.name)
        with self._locks[0 if item.kind == FRAME else number % len(self._locks)]:  # videos have one reader
            pixels = self._pictures.get(number)
            if pixels is None:
                pixels = _checked(item.read(self.results.window), size, item.name)
                self._pictures.put(number, pixels, pixels.nbytes)
            return pixels


def jpeg(pixels: np.ndarray) -> bytes:
    """(H, W, 3) uint8 BGR as a JPEG file."""
    return cv2.imencode('.jpg', pixels, QUALITY)[1].tobytes()


def _checked(picture: Any, size: tuple[int, int], name: str) -> Any:
    now = tuple(picture.shape[1::-1]) if isinstance(picture, np.ndarray) else picture.size
    if now != size:
        raise ImageError(
            f'{name}: has {now[0]}x{now[1]} px, but {size[0]}x{size[1]} when it was predicted; predict anew'
        )
    return picture
