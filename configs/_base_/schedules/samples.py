# From scratch on the sample slides: 800 steps of 8 images, about 5 minutes on two cores at 320 px.
max_iters = 800
warmup = 50  # steps

train_cfg = dict(type='ResumableIterLoop', max_iters=max_iters, val_interval=200)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-3, betas=(0.937, 0.999), weight_decay=0.01, fused=True),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=warmup),
    dict(type='CosineAnnealingLR', eta_min=2e-5, by_epoch=False, begin=warmup, end=max_iters, T_max=max_iters - warmup),
]
custom_hooks = [
    # a short training wants a short average: about 1 / momentum steps; gamma: steps
    dict(type='EMAHook', ema_type='ForeachEMA', momentum=0.005, gamma=100, update_buffers=True),
    dict(type='ReportHook'),
]
