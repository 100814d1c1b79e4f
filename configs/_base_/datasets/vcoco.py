# V-COCO with its pictures (COCO train2014) at 640 px. data/README.md says how to get it.
_base_ = './vcoco_boxes.py'

img_scale = (640, 640)  # width, height of the network input in px
labels = dict(type='LoadAnnotations', with_bbox=True, box_type=None)
pack = dict(type='PackRelations')
folder = dict(img='images/')
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='Letterbox', scale=img_scale), labels, pack]
train_pipeline = [
    labels,
    # cache_mb: MB of disk for resized images, one file for all processes and runs; 0: no cache
    dict(type='LoadResizedImage', scale=img_scale, cache_mb=8192),
    dict(type='MirrorRelations', prob=0.5),
    dict(type='ColourJitter', hue=0.015, saturation=0.7, value=0.4),
    pack,
]
train_dataloader = dict(batch_size=8, dataset=dict(dataset=dict(data_prefix=folder, pipeline=train_pipeline)))
val_dataloader = dict(batch_size=16, dataset=dict(data_prefix=folder, pipeline=test_pipeline))
test_dataloader = dict(batch_size=16, dataset=dict(data_prefix=folder, pipeline=test_pipeline))
