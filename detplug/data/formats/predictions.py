"""The results of ``detplug predict``: boxes with scores, to be corrected in an annotation tool; read only."""

from pathlib import Path

from detplug.data.formats.annotation_set import ALL, AnnotationSet, Split
from detplug.data.records import ImageRecord, ObjectRecord, one_line
from detplug.errors import UserError
from detplug.runtime.run_folder import read_run
from detplug.runtime.shard import finished, table_path
from detplug.runtime.tables import read_table


def find(source: Path) -> bool:
    """Whether the folder holds a prediction."""
    run = read_run(source) if source.is_dir() else None
    return isinstance(run, dict) and {'files', 'shard_size', 'engine'} <= run.keys()


def read(source: Path, images: Path | None = None) -> AnnotationSet:
    """All pictures that could be read, in the split all; file names are relative to the folder above all of them.

    Raises:
        UserError: the run is not finished, or a page or frame, which is no file of its own.
    """
    run = read_run(source)
    shards = range(-(-run['files'] // run['shard_size']))
    if not all(finished(source, number) for number in shards):
        raise UserError(f'{source}: the prediction is not finished; give the same predict command again')
    records: dict[str, ImageRecord] = {}
    anomalies = []
    names = list(run['engine'].get('classes', ()))
    for number in shards:
        pictures = read_table(table_path(source, 'images', number))
        for name, width, height, error in zip(*(pictures[key] for key in ('file_name', 'width', 'height', 'error')),
                                              strict=True):  # fmt: skip
            if error is not None:
                anomalies.append(f'picture that could not be read left out: {one_line(name)}')
            elif '#' in name:
                raise UserError(f'{name}: a page or frame is no file that an annotation tool opens; save it as one')
            else:
                records[name] = ImageRecord(name, name, int(width), int(height))
        table = read_table(table_path(source, 'part', number))
        rows = zip(*(table[key] for key in ('file_name', 'category_name', 'x', 'y', 'width', 'height', 'score')),
                   strict=True) if table else ()  # fmt: skip
        for name, label, x, y, width, height, score in rows:
            item = ObjectRecord(label, (x, y, x + width, y + height), len(records[name].objects), score=score)
            records[name].objects.append(item)
    folder = _above([Path(name) for name in records])
    for record in records.values():
        record.file_name = Path(record.file_name).relative_to(folder).as_posix()
    names += sorted({item.name for record in records.values() for item in record.objects} - set(names))
    return AnnotationSet(names, [Split(ALL, list(records.values()), images or folder)], anomalies)


def _above(paths: list[Path]) -> Path:
    """The folder that holds all paths."""
    if not paths:
        return Path('.')
    parents = [paths[0].parent, *paths[0].parent.parents]
    return next((parent for parent in parents if all(path.is_relative_to(parent) for path in paths)), Path('.'))
