"""Class names are checked before anything is read: a label is mapped by its name, never by a file's order.

Stock CocoDataset follows the order of the file's categories (labels swap silently while AP looks right) and drops the
boxes of a misspelt class; neither can pass here.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from detplug.data.records import one_line
from detplug.errors import UserError

SHOWN = 20  # names of a long list that fit in one readable line


def check_names(
    declared: Sequence[str],
    classes: Sequence[str],
    unknown_classes: Sequence[str] = (),
    ignore_classes: Sequence[str] = (),
    source: str = 'file',
    complete: bool = True,
) -> dict[str, int]:
    """Label of every class name, in the order of ``classes``.

    One rule for all formats: what is trained on names every class, what is evaluated on may lack some, as a small split
    does. A misspelt class does not pass either way: its right spelling is then in no list.

    Args:
        declared: names the annotation file declares, in any order.
        classes: names the detector learns.
        unknown_classes: names whose boxes are kept apart (``unknown_instances``) and are never training targets.
        ignore_classes: names whose boxes become ignore regions.
        source: the annotation file, for the message.
        complete: every class must be in ``declared``.

    Returns:
        ``{name: index in classes}``.

    Raises:
        UserError: a bare string instead of a tuple, a duplicate name in the file or in the lists, a name of the file
            that is in no list, or (``complete``) a class that the file does not have; the message shows both sides.
    """
    check_lists(classes, unknown_classes, ignore_classes, source)
    listed = [*classes, *unknown_classes, *ignore_classes]
    sides = f'the file has {_show(declared)}; the config has {_show(listed)}'
    _refuse(_twice(declared), f'{source}: categories: named twice', f'{sides}; rename or merge them in the file')
    _refuse(
        _twice(listed),
        f'{source}: classes, unknown_classes, ignore_classes: listed twice',
        f'{sides}; keep each name in one list',
    )
    surplus = [name for name in declared if name not in set(listed)]
    missing = [name for name in classes if name not in set(declared)] if complete or surplus else []
    _refuse(
        _near(missing, declared),
        f'{source}: classes: not in the annotations',
        f'{sides}; correct the config or the file',
    )
    _refuse(
        _near(surplus, listed),
        f'{source}: categories: in no list of the config',
        f'{sides}; put each into classes, unknown_classes or ignore_classes',
    )
    return {name: label for label, name in enumerate(classes)}


def check_lists(
    classes: Sequence[str], unknown_classes: Sequence[str], ignore_classes: Sequence[str], source: str
) -> None:
    """The part of ``check_names`` that needs no annotations: each list is a sequence of names, ``classes`` has some."""
    for field, names in dict(classes=classes, unknown_classes=unknown_classes, ignore_classes=ignore_classes).items():
        check_tuple(names, field, source)
    if not classes:
        raise UserError(f'{source}: classes: empty; name the classes, metainfo=dict(classes=(...))')


def check_tuple(names, field: str, source: str) -> None:
    """Refuse a list of names that is a text, no sequence, or holds something else than texts.

    Raises:
        UserError: see above.
    """
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise UserError(
            f"{source}: {field}: {names!r} is not a tuple of names; write ('{names}',)"
            if isinstance(names, str)
            else f'{source}: {field}: {names!r} is not a tuple of names'
        )
    bad = [name for name in names if not isinstance(name, str) or not name]
    _refuse([repr(name) for name in bad], f'{source}: {field}: not a name', 'each must be a text that is not empty')


def _twice(names: Iterable[str]) -> list[str]:
    return [repr(name) for name, times in Counter(names).items() if times > 1]


def _near(names: Iterable[str], others: Sequence[str]) -> list[str]:
    """Each name with the similar one of the other side, if there is one."""
    lowered = {other.lower(): other for other in others}
    out = []
    for name in names:
        match = get_close_matches(name.lower(), lowered, n=1)
        hint = f' (did you mean {lowered[match[0]]!r}?)' if match else ''
        out.append(f'{name!r}{hint}')
    return out


def _refuse(names: Sequence[str], what: str, cure: str) -> None:
    if names:
        more = f' and {len(names) - SHOWN} more' if len(names) > SHOWN else ''
        raise UserError(f'{what}: {", ".join(names[:SHOWN])}{more}; {cure}')


def _show(names: Sequence[str]) -> str:
    names = [one_line(name) for name in names]
    return f'[{", ".join(names[:SHOWN])}{f", ... {len(names)} in all" if len(names) > SHOWN else ""}]'
