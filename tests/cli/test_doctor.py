"""The doctor looks at every device, starts without torch, and says by its exit status whether a line is wrong."""

import subprocess
import sys

import pytest

from detplug.cli import doctor
from detplug.errors import UserError

ANSWERS = {
    doctor.RUNTIME_PROBE: 'loaded | CPUExecutionProvider',
    doctor.TORCH_PROBE: '[3.0, 3.0] | cpu cuda:0 cuda:1',
    doctor.MMDET_PROBE: 'loaded',
    doctor.MEMORY_PROBE: str(2**40),
}


def answer(monkeypatch, on_device=lambda device: (0, '[0, 2] | plain torch')) -> list[str]:
    """Let the probes answer as told; returns the devices on which an operator is run, filled while the doctor works."""
    devices = []

    def run_probe(code, *words):
        if code == doctor.OPS_PROBE:
            devices.extend(words)
            return on_device(*words)
        return 0, ANSWERS[code]

    monkeypatch.setattr(doctor, '_run_probe', run_probe)
    return devices


def test_an_operator_runs_on_every_device_and_each_has_its_cure(monkeypatch):
    missing = (1, 'RuntimeError: nms_impl: implementation for device cuda:1 not found.')
    devices = answer(monkeypatch, lambda device: missing if device == 'cuda:1' else (0, '[0, 2] | compiled, CUDA 13.0'))
    findings = {finding.subject: finding for finding in doctor.check_training()}
    assert devices == ['cpu', 'cuda:0', 'cuda:1']
    assert findings['mmcv operator on cuda:0'].detail == 'works, compiled, CUDA 13.0'
    assert [name for name, finding in findings.items() if finding.cure] == ['mmcv operator on cuda:1']


def test_a_torch_that_does_not_load_is_not_asked_for_devices(monkeypatch):
    devices = answer(monkeypatch)
    monkeypatch.setitem(ANSWERS, doctor.TORCH_PROBE, 'ImportError: libtorch.so')
    findings = doctor.check_training()
    assert findings[0].cure and not devices


@pytest.mark.parametrize(('kept', 'status'), [('[0, 2]', 0), ('nonsense', 1)])
def test_the_exit_status_says_whether_a_line_is_wrong(monkeypatch, capsys, kept, status):
    answer(monkeypatch, lambda device: (0, kept))
    monkeypatch.setattr(doctor, 'check_packages', lambda installed: [])
    assert doctor.main([]) == status
    assert ('cure: ' in capsys.readouterr().out) == bool(status)


def test_without_training_nothing_asks_for_torch(monkeypatch, capsys):
    devices = answer(monkeypatch)
    for probe in (doctor.TORCH_PROBE, doctor.MMDET_PROBE):
        monkeypatch.delitem(ANSWERS, probe)  # an error if it ran
    monkeypatch.setattr(doctor, 'distributions', lambda: iter(()))
    monkeypatch.setattr(doctor, 'check_packages', lambda installed: [])
    assert doctor.main([]) == 0
    assert not devices and 'torch' not in capsys.readouterr().out


def test_the_doctor_itself_imports_nothing_heavy():
    code = 'import sys, detplug.cli.doctor; print(*{"torch", "cv2", "numpy", "mmcv", "onnxruntime"} & {*sys.modules})'
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout == '\n'


def test_the_lock_counts_in_the_environment_of_make_setup_only(monkeypatch, tmp_path):
    (tmp_path / 'requirements').mkdir()
    (tmp_path / 'requirements/lock.txt').write_text('six==0.1\n')
    monkeypatch.setattr(doctor, 'ROOT', tmp_path)
    assert not any(finding.cure for finding in doctor.check_packages({'six': '1.0'}) if finding.subject == 'six')
    monkeypatch.setattr(sys, 'prefix', str(tmp_path / '.venv'))
    (finding,) = [x for x in doctor.check_packages({'six': '1.0'}) if x.subject == 'six' and x.cure]
    assert 'six==0.1' in finding.cure


def test_a_detplug_that_is_not_installed_is_one_line(monkeypatch):
    def raises(name):
        raise doctor.PackageNotFoundError(name)

    monkeypatch.setattr(doctor, 'metadata', raises)
    with pytest.raises(UserError, match='not installed'):
        doctor.check_packages({})


def test_pins_are_read_from_all_requirement_files_but_the_compilers(tmp_path):
    (tmp_path / 'a.txt').write_text('# torch==9\ntorch==2.13.0\n')
    (tmp_path / 'b.txt').write_text('Some_Package==1.0.post1\n')
    (tmp_path / 'compile.txt').write_text('ninja==1\n')
    assert doctor.read_pins(tmp_path) == {'torch': '2.13.0', 'some-package': '1.0.post1'}


def test_the_operators_of_this_installation_work():
    status, output = doctor._run_probe(doctor.OPS_PROBE, 'cpu')
    finding = doctor.check_probe('mmcv operator', status, output, expected='[0, 2]')
    assert not finding.cure, output
    assert finding.detail in ('works, plain torch', 'works, compiled, CUDA not available') or 'CUDA 1' in finding.detail


def test_torch_names_its_devices():
    status, output = doctor._run_probe(doctor.TORCH_PROBE)
    assert status == 0 and '[3.0, 3.0] | cpu' in output
