# The loaders of a data set of boxes, whose file fills in images, annotations and pipelines.
train_dataloader = dict(
    batch_size=16,
    num_workers=0,  # without a GPU a loader process takes the cores from the network; with one: 2 or more
    persistent_workers=True,  # where there are any
    sampler=dict(type='DrawSampler'),
    dataset=dict(type='SeededDataset', dataset=dict(type='MixDataset', dataset=dict(), pipeline=[])),
)
val_dataloader = dict(batch_size=8, num_workers=0, sampler=dict(type='EvaluationSampler'), dataset=dict(test_mode=True))
test_dataloader = dict(
    batch_size=8, num_workers=0, sampler=dict(type='EvaluationSampler'), dataset=dict(test_mode=True)
)
