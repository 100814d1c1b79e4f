"""Read an image file as a detector sees it, or say in one line which file is wrong and why.

The one reader of training, test, prediction, export and report. A file that is cut off is an error: OpenCV's decoders
say so when they read from memory (from a file name they fill the rest with grey). What follows the end of an image in
its file is no fault.
"""

import io
import os
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from detplug.errors import ImageError, one_line
from detplug.images.window import Window, eight_bit

ORIENTATION, SUBFILE, REDUCED = 0x112, 0xFE, 1  # tags of EXIF and TIFF; a page that is a smaller copy of another
REDUCTIONS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
TAIL = 4096  # bytes from the end in which the end marker of a whole file usually lies
END_MARKERS = {b'\xff\xd8': b'\xff\xd9', b'\x89P': b'IEND'}  # JPEG, PNG
MOST_PIXELS = 2**30  # OpenCV's limit; larger pictures are slides, read in parts
TOO_LARGE = f'more than {MOST_PIXELS} px, or a side above 1048576 px; make it a tiled TIFF, which is read in parts'
JPEG, PNG, WEBP, TIFF, GIF = 'JPEG', 'PNG', 'WEBP', 'TIFF', 'GIF'
STARTS = {b'\xff\xd8': JPEG, b'\x89PNG': PNG, b'RIFF': WEBP, b'II*\0': TIFF, b'MM\0*': TIFF, b'GIF8': GIF}


def read_image(path: str | Path, window: Window | None = None, reduce: int = 1) -> np.ndarray:
    """(H, W, 3) uint8 BGR of an image file, turned as its orientation (EXIF) says.

    One channel becomes three, transparency is dropped.

    Args:
        window: (low, high) pixel values that become 0 and 255, for images of more than 8 bit.
        reduce: 1, 2, 4 or 8: decode at that part of the size (of JPEG much faster); sides are rounded up.

    Raises:
        ImageError: missing, unreadable, cut off, not an image, of several pages, of more than 8 bit without a window.
    """
    name = one_line(path, longest=200)
    content = read_bytes(path)
    kind = next((kind for start, kind in STARTS.items() if content.startswith(start)), '')
    if kind in (WEBP, TIFF, GIF) or kind == PNG and b'acTL' in content[:200]:
        return _by_header(content, name, window, reduce)
    return decode(content, name, window, reduce)


def decode(content: bytes, name: str, window: Window | None = None, reduce: int = 1, flags: int = 0) -> np.ndarray:
    """As :func:`read_image`, of the bytes of a file with one page whose orientation OpenCV applies.

    Raises:
        ImageError: as :func:`read_image`.
    """
    in_decoder = content.startswith(b'\xff\xd8')  # JPEG, which has 8 bit
    flags |= REDUCTIONS[reduce] if in_decoder else cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    level = cv2.setLogLevel(0)  # silent: the error below says it
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except (cv2.error, MemoryError) as error:
        if 'CV_IO_MAX_IMAGE' in str(error):
            raise ImageError(f'{name}: {TOO_LARGE}') from error
        text = one_line(str(error).strip().rpartition('error: ')[2] or type(error).__name__)
        raise ImageError(f'{name}: not an image that can be decoded ({text}); get the file again') from error
    finally:
        cv2.setLogLevel(level)
    if pixels is None:
        raise ImageError(f'{name}: image file is cut off, or not an image that can be decoded; get the file again')
    pixels = eight_bit(pixels, window, name)
    return pixels if in_decoder else reduced(pixels, reduce)


def reduced(pixels: np.ndarray, factor: int) -> np.ndarray:
    """(H, W, 3) at 1 / ``factor`` of the size, sides rounded up: each pixel the mean of the square it stands for."""
    if factor == 1:
        return pixels
    bottom, right = (-side % factor for side in pixels.shape[:2])
    padded = cv2.copyMakeBorder(pixels, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    return cv2.resize(padded, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)


def read_bytes(path: str | Path) -> bytes:
    """The content of an image file.

    Raises:
        ImageError: missing, not a file, unreadable or empty.
    """
    check_image_file(path)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        name = one_line(path, longest=200)
        raise ImageError(f'{name}: image not readable ({one_line(error.strerror or error)})') from None


def check_image_file(path: str | Path) -> None:
    """Refuse a missing, unreadable or empty image file without decoding it.

    Raises:
        ImageError: see above.
    """
    name = one_line(path, longest=200)
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise ImageError(f'{name}: not a file; correct the file name in the annotations')
        with open(path, 'rb') as file:
            empty = not file.read(1)
    except FileNotFoundError:
        raise ImageError(f'{name}: image not found; check the path, or data_root (data/README.md)') from None
    except ImageError:
        raise
    except (OSError, ValueError) as error:
        raise ImageError(f'{name}: image not readable ({one_line(error)})') from None
    if empty:
        raise ImageError(f'{name}: image file is empty; get the file again')


def check_whole(path: str | Path) -> None:
    """Refuse an image file that is cut off; only one without an end marker in its last bytes is decoded for that.

    Raises:
        ImageError: as :func:`read_image`.
    """
    check_image_file(path)
    with open(path, 'rb') as file:
        start = file.read(4)
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
        tail = file.read()
    if not any(start.startswith(first) and end in tail for first, end in END_MARKERS.items()):
        read_image(path, window=(0, 1))  # whole or not, whatever its depth


def _by_header(content: bytes, name: str, window: Window | None, reduce: int) -> np.ndarray:
    """An image of a format that may have several pages, and whose orientation OpenCV does not apply."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            pages, orientation, kind = _pages(image), int(image.getexif().get(ORIENTATION, 1)), image.format
            eight = image.mode in ('1', 'L', 'P', 'LA', 'RGB', 'RGBA', 'CMYK', 'YCbCr')
            if image.size[0] * image.size[1] > MOST_PIXELS:
                raise ImageError(f'{name}: has {image.size[0]}x{image.size[1]} px: {TOO_LARGE}')
            if pages == 1 and kind == TIFF and orientation >= 5 and eight:  # OpenCV refuses these
                turned = np.asarray(image.convert('RGB'))[..., ::-1]  # Pillow has applied the orientation
                return reduced(np.ascontiguousarray(turned), reduce)
    except ImageError:
        raise
    except Exception:  # Pillow does not know this variant, or it is broken: OpenCV decides
        return decode(content, name, window, reduce)
    if pages > 1:
        raise ImageError(f'{name}: holds {pages} pictures; give each its own file, or predict them one by one')
    if kind == TIFF:
        if orientation not in (0, 1) and not eight:
            raise ImageError(f'{name}: {image.mode} TIFF with orientation {orientation}; write it upright')
        return decode(content, name, window, reduce)
    pixels = decode(content, name, window, reduce, cv2.IMREAD_IGNORE_ORIENTATION)
    return upright(pixels, orientation)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """The picture as it is looked at, from how it is stored: EXIF 2.32, tag 0x112, values 1 to 8; others are 1."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _pages(image: Image.Image) -> int:
    """How many pictures a file holds; smaller copies, as pyramids have them, do not count."""
    frames = getattr(image, 'n_frames', 1)
    if frames == 1 or image.format != TIFF:
        return frames
    count = 0
    for number in range(frames):
        image.seek(number)
        count += not int(image.tag_v2.get(SUBFILE, 0)) & REDUCED
    image.seek(0)
    return count
