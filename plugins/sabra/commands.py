"""What ``detplug`` runs for this plugin."""

COMMANDS = {
    'join-checkpoints': ('plugins.sabra.join_checkpoints', 'a relation head and a detector as one checkpoint'),
    'fit-noise': ('plugins.sabra.fit_noise', 'the noise of boxes that a detector makes, for training on true boxes'),
    'relations-from-csv': ('plugins.sabra.data.from_csv', 'your own relations, from a table to COCO json'),
    'evaluate-relations': (
        'plugins.sabra.evaluator.command',
        'the figures of HICO-DET, V-COCO, VRD, PSG, VG and OpenImages for any result file',
    ),
    'check-relations': ('plugins.sabra.data.check', 'what is wrong in a file of relations'),
}
