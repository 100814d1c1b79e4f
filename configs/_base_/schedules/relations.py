# A relation head on boxes: 3000 steps.
max_iters = 3000
warmup = 300  # steps

train_cfg = dict(type='ResumableIterLoop', max_iters=max_iters, val_interval=1000)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-4, fused=True),
    clip_grad=dict(max_norm=10),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=warmup),
    dict(type='CosineAnnealingLR', eta_min=1e-6, by_epoch=False, begin=warmup, end=max_iters, T_max=max_iters - warmup),
]
custom_hooks = [dict(type='RelationHook'), dict(type='ReportHook')]
