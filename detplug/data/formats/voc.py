"""Pascal VOC: an xml an image; splits are lists in ImageSets/Main, or folders as Roboflow exports them.

VOC counts pixels from 1 and includes the last one, see :func:`detplug.data.voc_file.read_voc`. Classes without an
object stand in labelmap.txt, as CVAT writes it.
"""

from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from detplug.data.formats.annotation_set import (
    ALL,
    AnnotationSet,
    Split,
    begins_with_tag,
    image_folder,
    split_name,
    with_suffix,
)
from detplug.data.formats.written import Written, check_xml_names, cleaned
from detplug.data.image_lists import read_image_list
from detplug.data.records import ImageRecord, ObjectRecord, one_line
from detplug.data.voc_file import read_voc
from detplug.errors import UserError

XML, LISTS, LABELS = 'Annotations', 'ImageSets/Main', 'labelmap.txt'


def find(source: Path) -> list[Path]:
    """The folders of xml files of ``source``; [] where it is no VOC data set."""
    if source.is_file():
        return []
    if any((source / XML).rglob('*.xml')):
        return [source / XML]
    folders = [source, *sorted(path for path in source.iterdir() if path.is_dir())]
    first = {folder: min(folder.glob('*.xml'), default=None) for folder in folders}
    return [folder for folder, path in first.items() if path is not None and begins_with_tag(path, 'annotation')]


def read(source: Path, images: Path | None = None) -> AnnotationSet:
    """All splits; an xml that no list names is in the split ``all`` where there are no lists, else listed."""
    folders = find(source)
    annotations = AnnotationSet([], [])
    if folders == [source / XML]:
        _official(source, annotations, images)
    else:
        for folder in folders:
            place = images or folder
            records = [_record(path, folder, place) for path in sorted(folder.glob('*.xml'))]
            annotations.splits.append(Split(ALL if folder == source else split_name(folder.name), records, place))
    used = dict.fromkeys(sorted({item.name for record in annotations.records for item in record.objects}))
    labels = source / LABELS
    if labels.is_file():
        lines = [line.rsplit(':', 3)[0] for line in labels.read_text(encoding='utf-8').splitlines()
                 if line.strip() and not line.startswith(('# ', 'background:0,0,0'))]  # fmt: skip
        used = dict.fromkeys(lines) | used
    annotations.names = list(used)
    return annotations


def _official(source: Path, annotations: AnnotationSet, given: Path | None) -> None:
    root = source / XML
    near = [given] if given else [source / 'JPEGImages', source / 'images']
    images = next((path for path in near if path.is_dir()), root)
    records = {
        path.relative_to(root).with_suffix('').as_posix(): _record(path, root, images)
        for path in sorted(root.rglob('*.xml'))
    }
    lists = {path: read_image_list(path) for path in sorted((source / LISTS).glob('*.txt'))}
    lists = {path: names for path, names in lists.items() if not any(' ' in name and name not in records
                                                                      for name in names)}  # fmt: skip
    listed = _disjoint(lists, annotations)
    if not listed:
        annotations.splits.append(
            Split(ALL, list(records.values()), image_folder(list(records.values()), [images, root]))
        )
        return
    for path, names in listed.items():
        if names and not any(name in records for name in names):
            raise UserError(f'{path}: {one_line(names[0])}: has no xml in {root}, nor has any other of its names; '
                            'remove the list or add the files')  # fmt: skip
        own = [record for name in names for record in _listed(name, records, images, annotations)]
        annotations.splits.append(Split(split_name(path.stem), own, image_folder(own, [images, root])))
    left = records.keys() - {name for names in listed.values() for name in names}
    annotations.anomalies += [f'xml in no list: {root / name}.xml' for name in sorted(left)]


def _listed(name: str, records: dict[str, ImageRecord], images: Path, annotations: AnnotationSet) -> list[ImageRecord]:
    """The record of a name in a list: CVAT and Datumaro write no xml for an image without objects."""
    if name in records:
        return [records[name]]
    file = with_suffix(name, [images])
    if not (images / file).is_file():
        annotations.anomalies.append(f'in a list, but neither xml nor image: {one_line(name)}')
        return []
    annotations.anomalies.append(f'no xml, so read as without objects: {one_line(file)}')
    return [ImageRecord(file, file, None, None)]


def _disjoint(lists: dict[Path, list[str]], annotations: AnnotationSet) -> dict[Path, list[str]]:
    """The lists without unions of others, such as trainval, which are named."""
    kept = {path: names for path, names in lists.items() if path.stem not in ('trainval', 'all')}
    if kept:
        annotations.anomalies += [
            f'list left out, others have its images: {path}' for path in lists.keys() - kept.keys()
        ]
        return kept
    return lists


def _record(path: Path, root: Path, images: Path) -> ImageRecord:
    folder = path.parent.relative_to(root)
    record = read_voc(path, images=images / folder)
    record.file_name = (folder / record.file_name).as_posix()
    record.img_id = record.file_name
    return record


def write(annotations: AnnotationSet) -> Written:
    """Annotations/*.xml, ImageSets/Main/SPLIT.txt, JPEGImages, labelmap.txt. Coordinates keep two decimals and more.

    A side of 1 px or less cannot be said: its two numbers would be one; such boxes are left out and listed.

    Raises:
        UserError: two images whose xml would be one file, or a class name that xml cannot hold.
    """
    out = Written()
    check_xml_names(annotations, 'VOC')
    owners: dict[str, str] = {}
    for split in cleaned(annotations, out, flags=True).splits:
        lines = []
        for record in split.records:
            name = Path(record.file_name).with_suffix('').as_posix()
            if name in owners:
                raise UserError(
                    f'{owners[name]} and {one_line(record.file_name)}: would have one xml in VOC; rename one'
                )
            owners[name] = record.file_name
            lines.append(f'{name}\n')
            out.texts[f'{XML}/{name}.xml'] = _xml(record, out)
        out.texts[f'{LISTS}/{split.name}.txt'] = ''.join(lines)
        out.link(split, 'JPEGImages')
    head = '# label:color_rgb:parts:actions\n'
    out.texts[LABELS] = head + ''.join(f'{name}:::\n' for name in annotations.names)
    return out


def _xml(record: ImageRecord, out: Written) -> str:
    file = Path(record.file_name)
    objects = ''.join(_object(item, record, out) for item in record.objects)
    size = f'<width>{record.width}</width><height>{record.height}</height><depth>3</depth>'
    text = (
        f'<annotation>\n <folder>{escape(file.parent.as_posix())}</folder>\n <filename>{escape(file.name)}</filename>\n'
        f' <size>{size}</size>\n{objects}</annotation>\n'
    )
    try:
        ElementTree.fromstring(text)
    except ElementTree.ParseError:
        raise UserError(f'{one_line(record.file_name)}: xml cannot hold this name; rename the file') from None
    return text


def _object(item: ObjectRecord, record: ImageRecord, out: Written) -> str:
    x1, y1, x2, y2 = item.box
    numbers = [f'{value:.10g}' for value in (x1 + 1, y1 + 1, x2, y2)]
    if float(numbers[2]) <= float(numbers[0]) or float(numbers[3]) <= float(numbers[1]):
        where = f'{one_line(record.file_name)}: object {one_line(item.key)} ({one_line(item.name)})'
        out.anomalies.append(f'box of a side of 1 px or less dropped, VOC cannot say it: {where}')
        return ''
    box = ''.join(f'<{tag}>{text}</{tag}>' for tag, text in zip(('xmin', 'ymin', 'xmax', 'ymax'), numbers, strict=True))
    difficult = f'<difficult>{int(item.ignored)}</difficult>'
    return f' <object><name>{escape(item.name)}</name>{difficult}<bndbox>{box}</bndbox></object>\n'
