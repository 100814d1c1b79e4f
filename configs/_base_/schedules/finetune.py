# Fine-tuning of a COCO checkpoint: 700 steps; about 10 minutes on two cores (16 images of 320 px), 20 with 8 of 640 px.
max_iters = 700
warmup = 50  # steps

train_cfg = dict(type='ResumableIterLoop', max_iters=max_iters, val_interval=100)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.937, weight_decay=5e-4, nesterov=True, fused=True),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=warmup),
    dict(type='CosineAnnealingLR', eta_min=1e-4, by_epoch=False, begin=warmup, end=max_iters, T_max=max_iters - warmup),
]
custom_hooks = [
    # a short training wants a short average: about 1 / momentum steps; gamma: steps
    dict(type='EMAHook', ema_type='ForeachEMA', momentum=0.005, gamma=100, update_buffers=True),
    dict(type='ReportHook'),
]
