"""Frames of a video, exactly: each frame by counting from the start, never by a seek that a codec rounds."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from detplug.errors import ImageError

SUFFIXES = {'.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv'}


class FrameReader:
    """Reads frames of one video; ascending numbers cost one pass, a smaller one begins again.

    Raises:
        ImageError: the file is no video that OpenCV reads.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._start()

    def read(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 BGR of frame ``index``, from 0.

        Raises:
            ImageError: there is no such frame, or it does not decode.
        """
        if index < self.next:
            self._start()
        while self.next < index:
            self._grab()
        self._grab()
        decoded, frame = self.capture.retrieve()
        if not decoded:
            raise ImageError(f'{self.path}: frame {index}: does not decode; get the file again')
        return frame

    def count(self) -> int:
        """Number of frames, by stepping through all of them: what headers say is often wrong."""
        self._start()
        while self.capture.grab():
            self.next += 1
        return self.next

    def _grab(self) -> None:
        if not self.capture.grab():
            raise ImageError(f'{self.path}: frame {self.next}: not there or broken; get the file again')
        self.next += 1

    def _start(self) -> None:
        if not self.path.is_file():
            raise ImageError(f'{self.path}: no such video; check the path')
        self.capture = cv2.VideoCapture(str(self.path))
        self.next = 0
        if not self.capture.isOpened():
            raise ImageError(f'{self.path}: not a video that OpenCV reads; convert it to MP4')


@lru_cache(maxsize=1)
def frames_of(path: Path) -> FrameReader:
    """The reader of ``path``; the last one stays open in each process."""
    return FrameReader(path)
