# Stanford VRD with its pictures (sg_dataset). data/README.md says how to get it.
_base_ = './vrd_boxes.py'

img_scale = (1000, 600)  # longer and shorter side of the network input in px, at most
labels = dict(type='LoadAnnotations', with_bbox=True)
pack = dict(type='PackRelations')
folder = dict(img='images/')
resize = dict(type='Resize', scale=img_scale, keep_ratio=True)  # a portrait turns the scale, as detectors are trained
test_pipeline = [dict(type='LoadImageFromFile'), resize, labels, pack]
swaps = {'on the left of': 'on the right of'}  # in the mirror, both ways
train_pipeline = [
    dict(type='LoadImageFromFile'),
    labels,
    resize,
    dict(type='MirrorRelations', prob=0.5, swaps=swaps),
    pack,
]
train_dataloader = dict(batch_size=2, dataset=dict(dataset=dict(data_prefix=folder, pipeline=train_pipeline)))
val_dataloader = dict(batch_size=1, dataset=dict(data_prefix=folder, pipeline=test_pipeline))
test_dataloader = dict(batch_size=1, dataset=dict(data_prefix=folder, pipeline=test_pipeline))
