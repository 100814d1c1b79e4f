"""From one annotation format to another, written whole or not at all."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from detplug.data.formats.annotation_set import AnnotationSet, Split, check_set
from detplug.data.formats.formats import FORMATS, read_set
from detplug.data.prepare import Prepared, count_records, prepare
from detplug.data.records import one_line
from detplug.errors import UserError


def convert(
    source: str | Path,
    target: str | Path,
    to: str,
    form: str | None = None,
    images: str | Path | None = None,
    renamed: Mapping[str, str] | None = None,
) -> tuple[str, Prepared]:
    """Read ``source`` and write it into the new folder ``target`` in the format ``to``.

    Args:
        form, images: as :func:`read_set`.
        renamed: class name -> new name; two classes may become one.

    Returns:
        the name of the source's format, and what was written, with an ``anomalies`` line for each change.

    Raises:
        UserError: not readable, not to be written in this format, or ``target`` holds something else.
    """
    if to not in FORMATS or FORMATS[to].write is None:
        writable = [name for name, entry in FORMATS.items() if entry.write is not None]
        raise UserError(f'--to {to}: is not written; one of {", ".join(writable)}')
    form, annotations = read_set(source, form, images)
    annotations = rename(annotations, renamed or {})
    check_set(annotations, source)
    try:
        written = FORMATS[to].write(annotations)
    except UserError as error:
        raise UserError(f'{source}: {error}') from None
    anomalies = [*annotations.anomalies, *written.anomalies]
    if to != 'label-studio' and any(
        item.score is not None for record in annotations.records for item in record.objects
    ):
        anomalies.append(f'scores dropped, the format has none: {source}')
    prepared = Prepared(written.texts, written.links, count_records(annotations.records), anomalies=anomalies)
    folder = Path(source) if Path(source).is_dir() else Path(source).parent
    return form, prepare(lambda _: prepared, folder, target)


def rename(annotations: AnnotationSet, renamed: Mapping[str, str]) -> AnnotationSet:
    """The set under new class names.

    Raises:
        UserError: a name that no class has.
    """
    for name in renamed:
        if name not in annotations.names:
            raise UserError(
                f'--rename {one_line(name)}: no such class; one of {one_line(", ".join(annotations.names))}'
            )
    new = {name: renamed.get(name, name) for name in annotations.names}
    splits = [
        Split(
            split.name,
            [replace(r, objects=[replace(item, name=new[item.name]) for item in r.objects]) for r in split.records],
            split.folder,
        )
        for split in annotations.splits
    ]
    return AnnotationSet(list(dict.fromkeys(new.values())), splits, annotations.anomalies)
