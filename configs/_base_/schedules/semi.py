# Semi-supervised fine-tuning: 600 steps of finetune.py's recipe; the teacher is the average (OpenSetHook).
_base_ = './finetune.py'

max_iters = 600
train_cfg = dict(max_iters=max_iters)
optim_wrapper = dict(constructor='StudentOptimWrapperConstructor')
warm_up, cosine = _base_.param_scheduler
param_scheduler = [warm_up, dict(cosine, end=max_iters, T_max=max_iters - warm_up.end)]
