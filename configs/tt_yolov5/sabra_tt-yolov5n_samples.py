# SABRA with a Tensor-Train backbone, generated scenes.
_base_ = '../sabra/sabra_yolov5n_samples.py'
custom_imports = dict(
    imports=['plugins.yolov5.register', 'plugins.sabra.register', 'plugins.tensor_train.register'],
    allow_failed_imports=False,
)
model = dict(detector=dict(backbone=dict(type='TTYOLOv5Backbone', ranks=16)))
