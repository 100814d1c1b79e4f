"""Pascal VOC folders as a data set with checked names."""

import csv
from collections.abc import Mapping
from pathlib import Path

from mmdet.registry import DATASETS

from detplug.data.checked import CheckedDataset
from detplug.data.records import ImageRecord, one_line
from detplug.data.voc_file import read_voc
from detplug.errors import UserError


@DATASETS.register_module()
class CheckedVocDataset(CheckedDataset):
    """Detection data set of the official layout: Annotations/*.xml, JPEGImages/*.jpg, ImageSets/Main/NAME.txt.

    Names are checked against ALL xml files of the folder.

    Args:
        ann_dir: folder of the xml files, relative to ``data_root``.
        image_suffix: suffix of the image files; by default that of each xml's ``<filename>``, see ``read_voc``.
        subtypes: finer names for one class, ``dict(file=CSV, name=CLASS)``; the csv has the columns image and subtypes.
            A box named CLASS takes the subtype of its image where the image has exactly one, and keeps its name where
            the image has several (``a|b``, ``a|a``) or none: put CLASS into ``ignore_classes``.
        **kwargs: as CheckedDataset; images lie in ``data_prefix['img']``.
    """

    def __init__(
        self,
        *,
        ann_dir: str = 'Annotations',
        image_suffix: str | None = None,
        subtypes: Mapping | None = None,
        **kwargs,
    ) -> None:
        self.ann_dir, self.image_suffix, self.subtypes = ann_dir, image_suffix, subtypes
        kwargs.setdefault('data_prefix', dict(img='JPEGImages'))
        super().__init__(**kwargs)

    @property
    def source(self) -> str:
        """The folder of the xml files."""
        return self._in_root(self.ann_dir)

    def read(self) -> tuple[list[str], list[ImageRecord], list[str]]:
        """Names and records of all xml files of the folder, sorted by file name."""
        paths = sorted(Path(self.source).glob('*.xml'))
        if not paths:
            raise UserError(f'{self.source}: no xml file; see data/README.md, or set data_root')
        records = [read_voc(path, self.image_suffix, self.data_prefix.get('img')) for path in paths]
        if self.subtypes:
            name_subtypes(records, self.subtypes['name'], read_subtypes(self._in_root(self.subtypes['file'])))
        names = dict.fromkeys(item.name for record in records for item in record.objects)
        return list(names), records, []


def read_subtypes(path: str | Path) -> dict[str, list[str]]:
    """Image name -> its subtypes, from a csv with the columns ``image`` and ``subtypes`` (``a|b`` for several).

    Raises:
        UserError: missing file or other columns.
    """
    try:
        with open(path, newline='', encoding='utf-8') as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except FileNotFoundError:
        raise UserError(f'{path}: not found; see data/README.md, or set data_root') from None
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f'{path}: not readable as csv ({one_line(error)})') from None
    if not {'image', 'subtypes'} <= set(reader.fieldnames or ()) or any(row['subtypes'] is None for row in rows):
        raise UserError(f'{path}: needs the columns image and subtypes')
    return {row['image']: [name for name in row['subtypes'].split('|') if name] for row in rows}


def name_subtypes(records: list[ImageRecord], name: str, subtypes: Mapping[str, list[str]]) -> None:
    """Rename, in place, the objects called ``name`` in images that have exactly one subtype."""
    for record in records:
        names_of_image = subtypes.get(record.img_id, [])
        if len(names_of_image) == 1:
            for item in record.objects:
                if item.name == name:
                    item.name = names_of_image[0]
