"""Values become Python that gives them back, and nothing in them is substituted when a config is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.config import Config

from detplug.recipe.python_text import WIDTH, Code, python_text

SIMPLE = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SIMPLE,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(VALUES, st.integers(0, 40))
def test_the_text_evaluates_to_the_value(value, indent):
    assert eval(python_text(value, indent), dict(dict=dict)) == value


def test_keys_that_are_no_names_and_long_values_get_lines_of_their_own():
    text = python_text({'a b': 'x' * WIDTH, 'c': Code('len(classes)')})
    assert text.startswith('{\n') and text.endswith(',\n}') and "'c': len(classes)" in text
    assert python_text(dict(type='A', sizes=(1,))) == "dict(type='A', sizes=(1,))"


@pytest.mark.parametrize('name', ['{{ fileDirname }}', '{{$HOME:x}}', "a'b", '{{_base_.x}}', '}}{{', 'é\n'])
def test_a_class_name_survives_the_reading_of_a_config(tmp_path, name):
    path = tmp_path / 'config.py'
    path.write_text(f'classes = {python_text((name, "b"))}\n', encoding='utf-8')
    assert Config.fromfile(path).classes == (name, 'b')


def test_what_no_config_can_say_is_refused():
    with pytest.raises(TypeError, match='object'):
        python_text([object()])
