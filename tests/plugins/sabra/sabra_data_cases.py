"""Small files of relations, and readers that must give a set or one UserError."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from detplug.errors import UserError
from plugins.sabra.relations import RelationNames, RelationSet, relation_image

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def relation_content() -> dict:
    """Two images: a person with a cup at a table, who also smiles; and nothing. Ids are in no order."""
    boxes = {40: [1, 2, 20, 30], 10: [5, 6, 4.5, 5], 30: [0, 20, 48, 12]}
    return dict(
        images=[
            dict(id=7, file_name='a.jpg', width=48, height=32),
            dict(id='b', file_name='b.jpg', width=64, height=64),
        ],
        annotations=[
            dict(id=number, image_id=7, category_id=category, bbox=boxes[number])
            for number, category in ((40, 2), (10, 5), (30, 1))
        ],
        categories=[dict(id=5, name='cup'), dict(id=1, name='table'), dict(id=2, name='person')],
        predicates=[dict(id=3, name='hold'), dict(id=1, name='smile'), dict(id=2, name='on')],
        relations=[
            dict(image_id=7, subject_id=40, object_id=10, predicate_id=3),
            dict(image_id=7, subject_id=40, object_id=None, predicate_id=1),
            dict(image_id=7, subject_id=10, object_id=30, predicate_id=2),
        ],
        triplets=[
            dict(category_id=5, predicate_id=3, rare=True),
            dict(category_id=1, predicate_id=2),
            dict(category_id=2, predicate_id=1, rare=False),
        ],
    )


def write_json(path: Path, content) -> Path:
    """``content`` as json, or as it is where it is text already."""
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def small_set() -> RelationSet:
    """What ``relation_content`` says, written down by hand."""
    names = RelationNames(
        ('cup', 'table', 'person'),
        ('hold', 'smile', 'on'),
        np.array([[0, 0], [1, 2], [2, 1]]),
        np.array([True, False, False]),
    )
    boxes = [[1, 2, 21, 32], [5, 6, 9.5, 11], [0, 20, 48, 32]]
    first = relation_image(7, 'a.jpg', (48, 32), boxes, [2, 0, 1], [[0, 1, 0], [0, -1, 1], [1, 2, 2]])
    return RelationSet(names, [first, relation_image('b', 'b.jpg', (64, 64), [], [], [])])


def assert_same_set(found: RelationSet, want: RelationSet) -> None:
    """Everything but the anomalies is equal, types of arrays included."""
    assert (found.names.objects, found.names.predicates) == (want.names.objects, want.names.predicates)
    for field in ('triplets', 'rare'):
        both = [getattr(names, field) for names in (found.names, want.names)]
        assert (both[0] is None) == (both[1] is None)
        if both[0] is not None:
            np.testing.assert_array_equal(*both, strict=field == 'rare')
    assert len(found.images) == len(want.images)
    for one, two in zip(found.images, want.images, strict=True):
        for field in ('img_id', 'file_name', 'width', 'height'):
            assert getattr(one, field) == getattr(two, field)
        for field in ('boxes', 'labels', 'relations', 'annotated'):
            np.testing.assert_array_equal(getattr(one, field), getattr(two, field), strict=True)


def kinds_of(lines) -> list[str]:
    """Kinds of the anomalies, in order."""
    return [line.partition(':')[0] for line in lines]


def error_of(read, *args) -> str:
    """The message of the UserError that ``read(*args)`` raises; one line."""
    with pytest.raises(UserError) as caught:
        read(*args)
    assert '\n' not in str(caught.value)
    return str(caught.value)


def reads_or_refuses(read, *args) -> None:
    """``read(*args)`` returns, or raises a UserError of one line."""
    try:
        read(*args)
    except UserError as error:
        assert '\n' not in str(error)


def change_somewhere(data, content):
    """``content`` with one value, anywhere in it, replaced by any json or taken away."""
    at, steps = content, []
    while isinstance(at, (dict, list)) and at:
        steps.append((at, data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))))
        at = at[steps[-1][1]]
    owner, key = data.draw(st.sampled_from(steps))
    if data.draw(st.booleans()):
        owner[key] = data.draw(JSON)
    else:
        del owner[key]
    return content
