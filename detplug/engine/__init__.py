"""Training around mmengine's Runner: safe atomic checkpoints, resumable sampling, non-finite guard, progress."""

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from detplug.engine import (  # noqa: F401
        anomalies_hook,
        batch_preview_hook,
        checkpoint,
        checkpoint_hook,
        distributed,
        early_stop_hook,
        epoch_batches,
        epoch_loop,
        export_hook,
        fit_hook,
        foreach_ema,
        history,
        mixed_precision,
        non_finite_guard,
        progress,
        runner,
        sampling,
        seeded_dataset,
        step_info,
        tiled_loops,
        train_loop,
    )
