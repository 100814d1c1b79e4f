# Generated slides with parasite eggs, 240 images of 320 px: python -m plugins.samples.parasites data/parasite_samples
# Training boxes are imbalanced 50:1 among the known species; val and test hold 22 boxes a species.
_base_ = ['../pipelines/microscopy_320.py', '../loaders.py']

data_root = 'data/parasite_samples/'
dataset = dict(
    type='CheckedCocoDataset',
    data_root=data_root,
    data_prefix=dict(img='images/'),
    metainfo=dict(
        classes=(
            'ascaris',
            'trichuris',
            'hookworm',
            'enterobius',
            'opisthorchis',
            'taenia',
            'fasciolopsis',
            'schistosoma',
        )
    ),
    unknown_classes=('paragonimus', 'hymenolepis'),
)
# all slides have one magnification, and size tells species apart: less zoom than elsewhere, always a mosaic
mosaic, *colour = _base_.mix_pipeline
mix_pipeline = [dict(mosaic, prob=1.0, zoom=(0.8, 1.2)), *colour]

train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        dataset=dict(
            dataset=dict(**dataset, ann_file='annotations/train.json', pipeline=_base_.source_pipeline),
            pipeline=mix_pipeline,
        ),
    ),
)
val_dataloader = dict(
    batch_size=16,
    dataset=dict(**dataset, ann_file='annotations/val.json', pipeline=_base_.test_pipeline),
)
test_dataloader = dict(
    batch_size=16,
    dataset=dict(**dataset, ann_file='annotations/test.json', pipeline=_base_.test_pipeline),
)
val_evaluator = dict(type='BoxAP', max_dets=300)  # detections an image
test_evaluator = val_evaluator
