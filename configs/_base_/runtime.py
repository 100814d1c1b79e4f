# What every training shares: the runner, hooks, processes. Numbers for one small machine.
default_scope = 'mmdet'
runner_type = 'DetplugRunner'  # atomic, resumable checkpoints; stock mmdet tools use it too
device = 'auto'  # or cpu, cuda, cuda:1, ...; --device of the commands goes before it
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),  # a loader process has one thread
    dist_cfg=dict(backend='gloo'),
)
default_hooks = dict(
    # every 100 steps, but not before 180 s have passed; before each validation and at the end too; best.pth by val map
    checkpoint=dict(type='AtomicCheckpointHook', interval=100, seconds=180, keep=2, metric='map'),
    history=dict(type='HistoryHook', interval=1),  # steps between two rows of history.jsonl, about 235 bytes each
    progress=dict(type='ProgressHook', interval=50),  # steps between two lines where there is no terminal
)
log_level = 'INFO'
log_processor = dict(by_epoch=False)
visualizer = None
load_from = None
resume = False

val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
