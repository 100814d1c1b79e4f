"""Known label errors of published data sets, as data in the config: each entry names one box and what to do with it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from detplug.data.records import ImageRecord, ObjectRecord, one_line
from detplug.errors import UserError

ACTIONS = ('ignore', 'drop')
FIELDS = ({'image', 'object', 'action', 'why'}, {'image', 'unlabelled', 'why'})


def apply_label_errors(records: list[ImageRecord], entries: Sequence[Mapping], source: str) -> list[str]:
    """Mark or remove what ``entries`` name, in place; one line for each, also for a box that is not there.

    Args:
        entries: ``dict(image=, object=KEY, action='ignore'|'drop', why=)`` for a wrong box, ``object`` being the
            annotation id (COCO) or the position in the xml (VOC, from 0); ``ignore`` makes an ignore region.
            ``dict(image=, unlabelled=NAME, why=)`` for an image whose objects of that class have no boxes: the
            whole image becomes an ignore region of the class. ``image`` is the file name, with or without suffix.
            Entries of images outside ``records`` are for another split.

    Raises:
        UserError: an entry with other fields, or another action.
    """
    wanted = {}
    for entry in entries:
        if set(entry) not in FIELDS or entry.get('action', 'ignore') not in ACTIONS:
            raise UserError(
                f'{source}: known_label_errors: {one_line(dict(entry))} needs image, object, action '
                f'({" or ".join(ACTIONS)}) and why; or image, unlabelled and why'
            )
        wanted.setdefault(entry['image'], []).append(entry)
    lines = []
    for record in records:
        for name in (record.file_name, record.file_name.rpartition('.')[0]):
            for entry in wanted.get(name, ()):
                lines.append(_apply(record, entry))
    return lines


def _apply(record: ImageRecord, entry: Mapping) -> str:
    if 'unlabelled' in entry:
        whole = (0.0, 0.0, float(record.width), float(record.height))
        record.objects.append(ObjectRecord(entry['unlabelled'], whole, 'whole image', ignored=True))
        return f'known label error (whole image ignored for {entry["unlabelled"]}): {record.file_name}: {entry["why"]}'
    item = next((item for item in record.objects if item.key == entry['object']), None)
    if item is None:
        return f'known label error not found: {record.file_name}: object {one_line(entry["object"])}: {entry["why"]}'
    at = record.objects.index(item)
    record.objects[at : at + 1] = [] if entry['action'] == 'drop' else [replace(item, ignored=True)]
    return f'known label error ({entry["action"]}): {record.file_name}: object {item.key} ({item.name}): {entry["why"]}'
