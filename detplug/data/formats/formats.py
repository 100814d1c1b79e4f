"""The formats by name, which of them a file or folder is in, and reading it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from detplug.data.formats import coco, cvat, geojson, label_studio, predictions, via, voc, yolo
from detplug.data.formats.annotation_set import AnnotationSet, check_set, fill_missing_sizes
from detplug.data.formats.written import Written
from detplug.errors import UserError


@dataclass(frozen=True)
class Format:
    """``find(source)`` is true where the source is in the format; ``write`` is None where it is only read."""

    what: str
    find: Callable[[Path], object]
    read: Callable[[Path, Path | None], AnnotationSet]
    write: Callable[[AnnotationSet], Written] | None = None


FORMATS = {
    'coco': Format('COCO json, also of Roboflow', coco.find, coco.read, coco.write),
    'yolo': Format('YOLO txt with data.yaml, also of Roboflow', yolo.find, yolo.read, yolo.write),
    'voc': Format('Pascal VOC xml, also of Roboflow', voc.find, voc.read, voc.write),
    'geojson': Format('GeoJSON of QuPath', geojson.find, geojson.read, geojson.write),
    'label-studio': Format('Label Studio json', label_studio.find, label_studio.read, label_studio.write),
    'cvat': Format('CVAT xml', cvat.find, cvat.read),
    'via': Format('VGG Image Annotator json', via.find, via.read),
    'predictions': Format('results of detplug predict', predictions.find, predictions.read),
}


def detect(source: Path) -> str:
    """The name of the format of a file or folder.

    Raises:
        UserError: nothing is there, it is in none of the formats, or in several.
    """
    if not source.exists():
        raise UserError(f'{source}: not found; check the path')
    matching = [name for name, form in FORMATS.items() if form.find(source)]
    if not matching:
        known = '; '.join(f'{name}: {form.what}' for name, form in FORMATS.items())
        raise UserError(
            f'{source}: no annotations in a known format ({known}); give the file or folder that holds them'
        )
    if len(matching) > 1:
        raise UserError(
            f'{source}: has annotations in {" and ".join(matching)}; give --from {matching[0]}, or one of its files'
        )
    return matching[0]


def read_set(
    source: str | Path, form: str | None = None, images: str | Path | None = None
) -> tuple[str, AnnotationSet]:
    """(name of the format, the data set).

    Args:
        form: name of the format; by default detected.
        images: folder of the images, of all splits or with one for each; by default looked for near the annotations.

    Raises:
        UserError: not readable; a class or an image that is listed twice.
    """
    source = Path(source)
    form = form or detect(source)
    if form not in FORMATS:
        raise UserError(f'{form}: no such format; one of {", ".join(FORMATS)}')
    if not source.exists() or not FORMATS[form].find(source):
        raise UserError(f'{source}: no annotations in the format {form}; check the path, or leave --from out')
    if images is not None and not Path(images).is_dir():
        raise UserError(f'{images}: --images: no such folder; check the path')
    given = None if images is None else Path(images)
    annotations = check_set(FORMATS[form].read(source, given), source)
    for split in annotations.splits if images is not None else ():
        if split.folder is None or not any(map(split.path, split.records[:20])):
            raise UserError(f'{images}: --images: has none of the images of {split.name}; check the path')
    fill_missing_sizes(annotations)
    return form, check_set(annotations, source)
