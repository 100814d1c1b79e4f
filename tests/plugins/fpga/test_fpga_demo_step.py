"""Without the extra or a compiler the demo's step for an FPGA is left out, and says what it needs."""

import pytest

from plugins.fpga import demo_steps


@pytest.mark.parametrize(
    ('missing', 'said'), [('qonnx', "pip install 'detplug[fpga]'"), ('g++', 'it needs g++'), ('', '')]
)
def test_what_is_lacking_is_named(missing, said, monkeypatch):
    monkeypatch.setattr(demo_steps, 'find_spec', lambda name: None if name == missing else name)
    monkeypatch.setattr(demo_steps.shutil, 'which', lambda name: None if name == missing else name)
    lacking = demo_steps.STEPS['fpga'].lacking()
    assert said in lacking and bool(lacking) == bool(missing)
