"""Compile a project with g++ into a library for simulation, and say what that took."""

import os
import subprocess
import time
from dataclasses import dataclass

from detplug.errors import UserError

from .project import Project


@dataclass(frozen=True)
class Compilation:
    """What a compilation took.

    Attributes:
        seconds: of wall time.
        megabytes: the most memory that one process used.
    """

    seconds: float
    megabytes: float


def compile_project(project: Project) -> Compilation:
    """Run the project's own build script.

    Raises:
        UserError: g++ fails; its first error.
    """
    project.library.unlink(missing_ok=True)
    start = time.perf_counter()
    log = project.folder / 'build.log'
    with open(log, 'w') as out:
        process = subprocess.Popen(['bash', 'build_lib.sh'], cwd=project.folder, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = log.read_text(errors='replace').splitlines() or ['nothing said']
        first = next((line for line in said if 'error' in line.lower()), said[-1])
        raise UserError(f'{log}: g++: {first}; read the log')
    return Compilation(time.perf_counter() - start, usage.ru_maxrss / 1024)
