"""Ids of images and categories: counted, or those of the user's annotation file."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detplug.errors import ImageError, UserError
from detplug.images.sources import Item


@dataclass(frozen=True)
class ImageIds:
    """Image ids of pictures: the number in the list from 1, or those of a COCO annotation file.

    Attributes:
        by_name: file name of the annotations -> id; empty: counted.
        categories: class name -> category id of the annotations; None: label + 1.
    """

    source: str = ''
    by_name: dict[str, Any] = field(default_factory=dict)
    categories: dict[str, int] | None = None

    def of(self, item: Item) -> Any:
        """The id of a picture: the end of its path is the file name that the annotations have.

        Returns:
            the id, or the reason (ImageError, not raised) why there is none.
        """
        if not self.source:
            return item.number + 1
        parts = Path(item.name).parts
        ends = ('/'.join(parts[start:]) for start in range(len(parts)))
        return next(
            (self.by_name[end] for end in ends if end in self.by_name),
            ImageError(f'{item.name}: not among the images of {self.source}; leave it or --annotations out'),
        )


def ids_of(annotations: str | None, names: tuple[str, ...]) -> ImageIds:
    """The ids of a COCO annotation file.

    Raises:
        UserError: no such file, not COCO json, or a class of the detector that it does not name.
    """
    if annotations is None:
        return ImageIds()
    try:
        data = json.loads(Path(annotations).read_text())
        images = {
            str(image['file_name']).replace('\\', '/').removeprefix('./'): image['id'] for image in data['images']
        }
        categories = {category['name']: category['id'] for category in data['categories']}
    except OSError as error:
        raise UserError(f'{annotations}: --annotations: {error.strerror}; check the path') from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f'{annotations}: --annotations: not a COCO json with images and categories') from error
    missing = [name for name in names if name not in categories]
    if missing:
        raise UserError(f'{annotations}: --annotations: has no category {missing[0]!r}, a class of the detector')
    return ImageIds(annotations, images, categories)
