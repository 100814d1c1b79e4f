"""Read an image file, or say in one line which file is missing or broken."""

import os
from pathlib import Path

import cv2
import numpy as np

from detplug.data.records import one_line
from detplug.errors import UserError

TAIL = 4096  # bytes from the end in which the end marker of a whole file lies (some writers append a few)
END_MARKERS = {b'\xff\xd8': b'\xff\xd9', b'\x89P': b'IEND'}  # JPEG, PNG; decoders fill what is cut off with grey


def read_image(path: str | Path) -> np.ndarray:
    """(H, W, 3) uint8 BGR of an image file; grey images become three channels.

    Raises:
        UserError: missing, unreadable, cut off or not an image.
    """
    check_image_file(path)
    image = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise UserError(f'{one_line(path)}: not an image that can be decoded; get the file again')
    return image


def check_image_file(path: str | Path) -> None:
    """Refuse a missing, empty or cut-off image file by looking at its first and last bytes (about 20 us).

    Raises:
        UserError: see above.
    """
    name = one_line(path, longest=200)
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise UserError(f'{name}: not a file; correct the file name in the annotations')
        with open(path, 'rb') as file:
            head = file.read(2)
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
            tail = file.read()
    except FileNotFoundError:
        raise UserError(f'{name}: image not found; see data/README.md, or set data_root') from None
    except UserError:
        raise
    except (OSError, ValueError) as error:
        raise UserError(f'{name}: image not readable ({one_line(error)})') from None
    if not tail:
        raise UserError(f'{name}: image file is empty; get the file again')
    if END_MARKERS.get(head, b'') not in tail:
        raise UserError(f'{name}: image file is cut off (no end marker); get the file again')


def check_size(results: dict, shape: tuple[int, int]) -> None:
    """Refuse an image whose ``shape`` = (height, width) is not the annotated one: its boxes would lie elsewhere.

    Raises:
        UserError: the sizes differ (``results`` without a size, as in prediction, passes).
    """
    annotated = (results.get('height'), results.get('width'))
    if None not in annotated and annotated != shape:
        height, width = shape
        name = one_line(results.get('img_path'), longest=200)
        raise UserError(
            f'{name}: image is {width}x{height}, its annotation says {annotated[1]}x{annotated[0]}; '
            'use the images the boxes were drawn on'
        )
