# Generated scenes of persons and objects, 300 images of 320 px: python -m plugins.samples.scenes data/relation_samples
_base_ = '../loaders.py'

data_root = 'data/relation_samples/'
img_scale = (320, 320)  # width, height of the network input in px
dataset = dict(
    type='RelationDataset',
    data_root=data_root,
    data_prefix=dict(img='images/'),
    metainfo=dict(
        classes=('person', 'bicycle', 'horse', 'chair', 'box', 'ball', 'book'),
        predicates=('ride', 'hold', 'carry', 'sit on', 'look at'),
    ),
)
labels = dict(type='LoadAnnotations', with_bbox=True, box_type=None)
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Letterbox', scale=img_scale),
    dict(type='PackRelations'),
]
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        dataset=dict(
            # an image is drawn sqrt(oversample_thr / share) times as often as its rarest verb or class asks for
            dataset=dict(
                type='ClassBalancedDataset',
                oversample_thr=1.0,
                dataset=dict(
                    **dataset,
                    ann_file='annotations/train.json',
                    # cache_mb: MB of disk for resized images, one file for all processes and runs; 0: no cache
                    pipeline=[labels, dict(type='LoadResizedImage', scale=img_scale, cache_mb=8192)],
                ),
            ),
            pipeline=[
                dict(type='MosaicRelations', scale=img_scale, prob=0.0, zoom=(0.85, 1.15), shift=0.05, min_visible=0.4),
                dict(type='MirrorRelations', prob=0.5),
                dict(type='ColourJitter', hue=0.015, saturation=0.3, value=0.2),
                dict(type='PackRelations'),
            ],
        ),
    ),
)
val_dataloader = dict(
    batch_size=16,
    dataset=dict(**dataset, ann_file='annotations/val.json', pipeline=test_pipeline),
)
test_dataloader = dict(
    batch_size=16,
    dataset=dict(**dataset, ann_file='annotations/test.json', pipeline=test_pipeline),
)
val_evaluator = dict(type='RelationMetric', protocol='map')
test_evaluator = val_evaluator
