"""What every training loop does when a signal asks for the machine."""

from pathlib import Path
from typing import Any

from mmengine.dist import barrier

from detplug.engine.stop_signal import Stopped, StopRequest


class StoppableLoop:
    """Mix-in before a training loop of mmengine; the loop itself is ``_train``, its validations call ``_validate``."""

    def run(self) -> Any:
        """Train to the end and return the model.

        Raises:
            Stopped: on SIGTERM or SIGUSR1, after the running step, or in a validation at once (several processes end
                the validation first); the hooks' ``before_stop`` has written a checkpoint.
        """
        with StopRequest() as self._stop:
            try:
                return self._train()
            except Stopped as stopped:
                self.runner.call_hook('before_stop')
                if self.runner.rank == 0:
                    print(self._line(stopped), flush=True)
                barrier()  # a launcher kills every process when one has ended: the first one writes till here
                raise

    def run_iter(self, *batch: Any) -> None:
        """One step, after which a request to stop is answered."""
        super().run_iter(*batch)
        self._stop.check()

    def _validate(self) -> None:
        with self._stop.at_once():
            self.runner.val_loop.run()

    def _line(self, stopped: Stopped) -> str:
        written = (Path(self.runner.work_dir) / f'iter_{self._iter}.pth').exists()
        cure = 'continue with --resume' if written else 'there is no checkpoint of it: default_hooks.checkpoint is off'
        return f'stopped by {stopped.signal.name} at step {self._iter}; {cure}'
