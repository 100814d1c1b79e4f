"""What the header of an image file says: its size, and how readers turn it (EXIF orientation). No pixel is decoded."""

from pathlib import Path
from typing import NamedTuple

from PIL import Image

from detplug.errors import ImageError, one_line
from detplug.images.reading import check_image_file

EXIF_ORIENTATION = 0x0112
SWAPPED = range(5, 9)  # orientations that swap width and height; 2, 3 and 4 mirror or turn and keep them


class ImageHeader(NamedTuple):
    """``width`` and ``height`` (px) of the pixels as they are stored; ``orientation``: EXIF's, 1 where it has none."""

    width: int
    height: int
    orientation: int

    @property
    def shown_size(self) -> tuple[int, int]:
        """(width, height) of the picture that readers give, which is turned as the orientation says."""
        return (self.height, self.width) if self.orientation in SWAPPED else (self.width, self.height)


def read_header(path: str | Path) -> ImageHeader:
    """The header of an image file (about 100 us).

    Raises:
        ImageError: missing, empty or not an image.
    """
    check_image_file(path)
    try:
        with Image.open(path) as image:
            orientation = image.getexif().get(EXIF_ORIENTATION, 1)
            width, height = image.size
            if image.format == 'TIFF' and orientation in SWAPPED:  # Pillow gives the size of the turned picture
                width, height = height, width
            return ImageHeader(width, height, orientation if orientation in range(2, 9) else 1)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError(
            f'{one_line(path, 200)}: header not readable ({one_line(error)}); get the file again'
        ) from None
