"""What a training or test says of unknown objects below its table; the figures are those of OpenSetMetric."""

TEXTS = {
    'unknown_objects': '{:.0f} unknown objects:',
    'unknown_named': '{:.0f} named unknown',
    'unknown_misnamed': '{:.0f} with a known name',
    'unknown_ap': 'AP {:.3f}',
    'u_recall_1': 'U-Recall {:.3f}',
    'precision_1': 'precision {:.3f} at one box an image',
}
