"""What a person reads: the figures and the diagnosis as tables on the console, the diagnosis as a picture."""

from collections.abc import Mapping

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from .diagnosis import KINDS, TOP, Diagnosis

ROW, LEFT, BAR, RIGHT_SIDE = 34, 170, 420, 170  # px: height of a row, width of names, of the longest bar, of numbers
DARK, COLOUR, GREY = (40, 40, 40), (178, 114, 0), (150, 150, 150)  # BGR; the colour is Okabe and Ito's blue


def figures_table(figures: Mapping[str, float], heading: str) -> None:
    """Print figures in percent; those of single classes are left to the json."""
    table = Table('figure', '%', title=heading)
    for name, value in figures.items():
        if '/' not in name:
            table.add_row(name, f'{100 * value:.2f}')
    Console().print(table)


def diagnosis_table(diagnosis: Diagnosis) -> None:
    """Print the kinds of errors, how many there are and what mending each would give."""
    ap = f'mean AP {100 * diagnosis.ap:.2f} % by this matching'
    title = f'Errors of the best {TOP} predictions an image: {ap}, {diagnosis.right} right'
    table = Table('error', 'how many', 'AP gained, points', 'what it is', title=title)
    for name, what in KINDS.items():
        table.add_row(name, str(diagnosis.counts[name]), f'{100 * diagnosis.gains[name]:+.2f}', what)
    Console().print(table)


def diagnosis_picture(diagnosis: Diagnosis) -> np.ndarray:
    """(H, W, 3) uint8 BGR: a bar for the AP that mending each kind of error would give, and how many there are."""
    height = ROW * (len(KINDS) + 2)
    picture = np.full((height, LEFT + BAR + RIGHT_SIDE, 3), 255, np.uint8)
    longest = max(max(diagnosis.gains.values()), 1e-9)
    _write(picture, f'AP gained if mended (points), errors; AP {100 * diagnosis.ap:.1f} %', (12, ROW - 11), DARK)
    for row, name in enumerate(KINDS):
        top = ROW * (row + 1) + 6
        gain = diagnosis.gains[name]
        end = LEFT + int(round(BAR * max(gain, 0) / longest))
        cv2.rectangle(picture, (LEFT, top), (max(end, LEFT + 1), top + ROW - 12), COLOUR, -1)
        _write(picture, name, (12, top + 17), DARK)
        _write(picture, f'{100 * gain:+.1f}   {diagnosis.counts[name]}', (end + 8, top + 17), GREY)
    return picture


def _write(picture: np.ndarray, text: str, corner: tuple[int, int], colour: tuple[int, int, int]) -> None:
    cv2.putText(picture, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)
