# Semi-supervised fine-tuning: 600 steps.
max_iters = 600
warmup = 50  # steps

train_cfg = dict(type='ResumableIterLoop', max_iters=max_iters, val_interval=100)
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='StudentOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.937, weight_decay=5e-4, nesterov=True, fused=True),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=warmup),
    dict(type='CosineAnnealingLR', eta_min=1e-4, by_epoch=False, begin=warmup, end=max_iters, T_max=max_iters - warmup),
]
