# Relations without pictures: a part of train held out for decisions (splits.json). Data sets add
# their folder, names and pipelines.
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=True,
    sampler=dict(type='DrawSampler'),
    dataset=dict(
        type='SeededDataset',
        dataset=dict(
            type='RelationDataset', ann_file='annotations/train.json', images_file='splits.json', images_key='train'
        ),
    ),
)
evaluation = dict(batch_size=32, num_workers=0, sampler=dict(type='EvaluationSampler'))
val_dataloader = dict(
    **evaluation,
    dataset=dict(
        type='RelationDataset',
        test_mode=True,
        ann_file='annotations/train.json',
        images_file='splits.json',
        images_key='held_out',
    ),
)
test_dataloader = dict(
    **evaluation, dataset=dict(type='RelationDataset', test_mode=True, ann_file='annotations/test.json')
)
labels = dict(type='LoadAnnotations', with_bbox=True, box_type=None)
