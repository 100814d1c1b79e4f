"""The doctor sees each wrong situation and names a cure."""

import pytest

from detplug.cli import doctor

WHOLE = dict.fromkeys(doctor.MAIN, '1.0')


def wrong(findings) -> list[doctor.Finding]:
    return [finding for finding in findings if finding.cure]


def test_a_whole_installation_has_no_wrong_line():
    installed = WHOLE | {'torch': '1.0+cpu', 'extra': '3'}
    assert not wrong(doctor.check_versions(installed, dict(WHOLE)))
    assert not wrong(doctor.check_duplicates(installed))


@pytest.mark.parametrize('name', ['torch', 'onedl-mmcv', 'rich', 'six'])
@pytest.mark.parametrize('version', [None, '2.0'])
def test_a_missing_or_different_package_is_wrong(name, version):
    installed = WHOLE | {'six': '1.0'} | {name: version}
    found = {key: value for key, value in installed.items() if value}
    (finding,) = wrong(doctor.check_versions(found, WHOLE | {'six': '1.0'}))
    assert finding.subject == name
    assert ('not installed' if version is None else '2.0') in finding.detail
    # torch and mmcv are compiled for each other: never replaced one at a time
    assert ('pip install --no-deps' in finding.cure) == (name in ('rich', 'six'))


@pytest.mark.parametrize(
    'second', ['mmcv', 'mmcv-full', 'mmcv-lite', 'mmengine', 'mmdet', 'opencv-python', 'opencv-contrib-python']
)
def test_two_packages_that_write_the_same_files_are_wrong(second):
    (finding,) = wrong(doctor.check_duplicates(WHOLE | {second: '9'}))
    assert second in finding.detail and finding.cure


@pytest.mark.parametrize(
    ('status', 'output', 'said'),
    [
        (1, 'Traceback\nImportError: _ext.so: undefined symbol: _ZN3c10', 'undefined symbol'),
        (-11, '', 'signal 11'),
        (0, '[0, 1, 2]', '[0, 1, 2]'),
        (0, '', 'no output'),
    ],
)
def test_a_probe_that_fails_crashes_or_answers_wrongly_is_wrong(status, output, said):
    finding = doctor.check_probe('mmcv operation', status, output, expected='[0, 2]')
    assert said in finding.detail and finding.cure


def test_a_probe_is_right_whatever_warnings_come_before_its_answer():
    assert not doctor.check_probe('x', 0, 'UserWarning: something\n[0, 2]\n', expected='[0, 2]').cure


def test_little_disk_or_memory_is_wrong():
    plenty = 100 * doctor.GIB
    assert not wrong(doctor.check_space(plenty, plenty))
    assert [finding.subject for finding in wrong(doctor.check_space(doctor.GIB // 2, plenty))] == ['free disk']
    assert [finding.subject for finding in wrong(doctor.check_space(plenty, doctor.GIB))] == ['free memory']


def test_another_python_is_wrong():
    assert doctor.check_python((3, 12, 1)).cure
    assert not doctor.check_python((3, 11, 7)).cure


def test_pins_are_read_from_all_requirement_files(tmp_path):
    (tmp_path / 'a.txt').write_text('# torch==9\ntorch==2.13.0\n')
    (tmp_path / 'b.txt').write_text('Some_Package==1.0.post1\n')
    assert doctor.read_pins(tmp_path) == {'torch': '2.13.0', 'some-package': '1.0.post1'}


@pytest.mark.parametrize(('answer', 'status'), [('[0, 2]', 0), ('nonsense', 1)])
def test_the_exit_status_says_whether_a_line_is_wrong(monkeypatch, capsys, answer, status):
    answers = {doctor.TORCH_PROBE: '[3.0, 3.0]', doctor.OPS_PROBE: answer, doctor.MMDET_PROBE: 'loaded'}
    monkeypatch.setattr(doctor, '_run_probe', lambda code: (0, answers.get(code, str(100 * doctor.GIB))))
    monkeypatch.setattr(doctor, 'read_pins', lambda folder: {})
    monkeypatch.setattr(doctor, 'check_space', lambda disk, memory: [])
    monkeypatch.setattr(doctor, 'check_duplicates', lambda installed: [])
    monkeypatch.setattr(doctor, 'check_versions', lambda installed, pins: [])
    assert doctor.main([]) == status
    assert ('cure: make clean setup' in capsys.readouterr().out) == bool(status)


def test_the_operation_of_this_installation_works():
    status, output = doctor._run_probe(doctor.OPS_PROBE)
    assert not doctor.check_probe('mmcv operation', status, output, expected='[0, 2]').cure, output
