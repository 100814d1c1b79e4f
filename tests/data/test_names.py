"""Labels follow names; every name of the file is in exactly one list, or the error shows both sides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detplug.data.names import check_names
from detplug.errors import UserError

FOUND = ('worm', 'egg', 'cyst')


def message(*args, **kwargs) -> str:
    with pytest.raises(UserError) as caught:
        check_names(*args, **kwargs)
    assert '\n' not in str(caught.value)
    return str(caught.value)


def test_labels_follow_the_config_not_the_file():
    assert check_names(FOUND, ('egg', 'worm', 'cyst')) == {'egg': 0, 'worm': 1, 'cyst': 2}


@given(
    st.lists(st.text(min_size=1), unique=True, min_size=1, max_size=8).flatmap(
        lambda names: st.tuples(st.permutations(names), st.permutations(names))
    )
)
def test_the_order_of_the_file_never_matters(orders):
    found, classes = orders
    assert check_names(found, classes) == {name: i for i, name in enumerate(classes)}


def test_unknown_and_ignored_names_get_no_label():
    assert check_names(FOUND, ('egg',), unknown_classes=('worm',), ignore_classes=('cyst',)) == {'egg': 0}


def test_a_misspelt_class_shows_both_sides_and_the_near_match():
    text = message(FOUND, ('egg', 'wrom', 'cyst'), source='ann.json')
    for part in ('ann.json', "'wrom'", "did you mean 'worm'", '[worm, egg, cyst]', '[egg, wrom, cyst]'):
        assert part in text


def test_another_case_is_another_name():
    assert "did you mean 'worm'" in message(FOUND, ('egg', 'Worm', 'cyst'))


def test_a_name_in_no_list_is_refused():
    text = message(FOUND, ('egg', 'worm'))
    assert "'cyst'" in text and 'unknown_classes' in text and '[egg, worm]' in text


@pytest.mark.parametrize(
    'lists',
    [
        dict(classes=('egg', 'worm', 'egg', 'cyst')),
        dict(classes=('egg', 'worm', 'cyst'), unknown_classes=('cyst',)),
        dict(classes=('egg', 'worm'), unknown_classes=('cyst',), ignore_classes=('cyst',)),
    ],
)
def test_a_name_in_two_lists_is_refused(lists):
    assert 'listed twice' in message(FOUND, **lists)


def test_a_duplicate_in_the_file_is_refused():
    assert "named twice: 'egg'" in message(('worm', 'egg', 'egg'), ('worm', 'egg'))


@pytest.mark.parametrize(
    'lists',
    [
        dict(classes='egg'),
        dict(classes=('egg',), unknown_classes='worm'),
        dict(classes=('egg',), ignore_classes='worm'),
    ],
)
def test_a_bare_string_is_refused_with_the_cure(lists):
    assert "',)" in message(('egg', 'worm'), **lists)


@pytest.mark.parametrize('classes', [(), None, 3, (1, 2), ('',)])
def test_no_names_are_refused(classes):
    message(FOUND, classes)


def test_eighty_names_stay_one_readable_line():
    assert len(message([f'class {i}' for i in range(80)], ['other'])) < 2000


def test_a_line_break_in_a_name_stays_in_one_line():
    message(('worm\nError: gone',), ('egg',))


def test_what_is_evaluated_on_may_lack_a_class_but_not_misspell_it():
    assert check_names(['egg'], ('egg', 'worm'), complete=False) == {'egg': 0, 'worm': 1}
    with pytest.raises(UserError, match="'wrom'.*did you mean"):
        check_names(['egg', 'worm'], ('egg', 'wrom'), complete=False)
    with pytest.raises(UserError, match="not in the annotations: 'worm'"):
        check_names(['egg'], ('egg', 'worm'))
