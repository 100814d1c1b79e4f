"""What the header of an image file says: its size, and how readers turn it (EXIF orientation). No pixel is decoded."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from detplug.data.images import check_image_file
from detplug.data.records import ImageRecord, one_line
from detplug.errors import UserError

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
        UserError: missing, empty, cut off or not an image.
    """
    check_image_file(path)
    try:
        with Image.open(path) as image:
            orientation = image.getexif().get(EXIF_ORIENTATION, 1)
            return ImageHeader(*image.size, orientation if orientation in range(2, 9) else 1)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f'{one_line(path, 200)}: header not readable ({one_line(error)}); get the file again') from None


def fill_sizes(records: Iterable[ImageRecord], folder: str | Path | None, source: str | Path) -> list[str]:
    """Give each record without width and height those of its image in ``folder``, in place; a line for each.

    Raises:
        UserError: an image that cannot be read, or no ``folder``.
    """
    lines = []
    for record in records:
        if record.width is not None and record.height is not None:
            continue
        missing = f'{source}: images: {one_line(record.file_name)}: width, height: missing'
        if folder is None:
            raise UserError(f'{missing}; write the size of the image in pixels')
        try:
            lines.append(fill_size(record, Path(folder) / record.file_name))
        except UserError as error:
            raise UserError(f'{missing}, and the image does not give them: {error}') from None
    return lines


def fill_size(record: ImageRecord, path: Path) -> str:
    """Give ``record`` the size of the image at ``path``, in place; returns a line that says so.

    Raises:
        UserError: as :func:`read_header`.
    """
    record.width, record.height = read_header(path).shown_size
    return f'size read from the image: {one_line(record.file_name)}: {record.width}x{record.height}'
