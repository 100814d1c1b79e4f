# All labelled malaria images, supervised, with class control and embedding; else configs/yolov5/yolov5n_malaria.py.
_base_ = '../yolov5/yolov5n_malaria.py'

custom_imports = dict(imports=['plugins.yolov5.register', 'plugins.openset.register'], allow_failed_imports=False)
mosaic, *colour = _base_.mix_pipeline
embed = dict(type='CategoryControlEmbed', number=(4, 10), eta=1.0, mode='feather', match_tone=True)
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=[mosaic, embed, *colour])))
