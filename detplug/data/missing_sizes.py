"""Sizes of images that an annotation file lacks, from their headers."""

from collections.abc import Iterable
from pathlib import Path

from detplug.data.records import ImageRecord, one_line
from detplug.errors import UserError
from detplug.images.header import read_header


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
