# CCE + OODFC with a Tensor-Train backbone, generated parasite eggs.
_base_ = '../openset/yolov5n_parasite-samples.py'
custom_imports = dict(
    imports=['plugins.yolov5.register', 'plugins.openset.register', 'plugins.tensor_train.register'],
    allow_failed_imports=False,
)
model = dict(detector=dict(backbone=dict(type='TTYOLOv5Backbone', ranks=16)))
