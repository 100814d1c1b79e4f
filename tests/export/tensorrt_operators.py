"""What TensorRT's parser takes, as far as its own documents say; TensorRT itself runs on NVIDIA GPUs only.

Operators: docs/operators.md of github.com/onnx/onnx-tensorrt at 6d0ab7be324d02c7feb3a306b6fdbeae84f71ddc (TensorRT
8.5, the first with NonMaxSuppression of any size, NonZero and RoiAlign; later versions take more).
Largest K of TopK: 3840 up to TensorRT 10.9 (github.com/NVIDIA/TensorRT, issues 4244 and 4390).
Opsets: TensorRT 10.0 takes 9 to 20 (the same file, of that version).
"""

from onnx import ModelProto, numpy_helper

OPSETS, MOST = range(9, 21), 3840
SUPPORTED = set(
    """Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast Ceil Celu Clip
    Concat Constant ConstantOfShape Conv ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear Div
    Dropout Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather GatherElements GatherND Gemm
    GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GridSample GRU HardSwish HardSigmoid
    Identity If ImageScaler InstanceNormalization IsNaN LeakyRelu Less LessOrEqual Log LogSoftmax Loop LRN
    LSTM LpNormalization LpPool MatMul Max MaxPool Mean MeanVarianceNormalization Min Mod Mul Neg
    NonMaxSuppression NonZero Not OneHot Or Pad ParametricSoftplus Pow PRelu QuantizeLinear RandomNormal
    RandomNormalLike RandomUniform RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum
    ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize
    ReverseSequence RNN RoiAlign Round ScaledTanh Scan Scatter ScatterElements ScatterND Selu Shape Shrink
    Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan
    Tanh ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze Upsample Where Xor""".split()
)
CONSTANT = {'TopK': [1], 'NonMaxSuppression': [2, 3, 4], 'Slice': [3], 'Squeeze': [1], 'Unsqueeze': [1], 'CumSum': [1]}


def refusals(model: ModelProto) -> list[str]:
    """Why TensorRT's parser would refuse the model, one line each."""
    constants = {x.name: numpy_helper.to_array(x) for x in model.graph.initializer}
    lines = [f'opset {x.version}' for x in model.opset_import if not x.domain and x.version not in OPSETS]
    lines += [f'function {x.name}' for x in model.functions]
    for node in model.graph.node:
        if node.op_type == 'Constant':
            (value,) = node.attribute
            constants[node.output[0]] = _value(value)
    for node in model.graph.node:
        if node.domain or node.op_type not in SUPPORTED:
            lines.append(f'{node.name}: {node.domain}{node.op_type} is not supported')
        for place in CONSTANT.get(node.op_type, ()):
            if place < len(node.input) and node.input[place] and node.input[place] not in constants:
                lines.append(f'{node.name}: input {place} of {node.op_type} is computed')
        if node.op_type == 'TopK' and constants.get(node.input[1], MOST) > MOST:
            lines.append(f'{node.name}: K is {constants[node.input[1]]}, more than {MOST}')
    return lines


def _value(attribute):
    kinds = {'value_int': attribute.i, 'value_float': attribute.f}
    if attribute.name == 'value':
        return numpy_helper.to_array(attribute.t)
    return kinds.get(attribute.name, list(attribute.ints) or list(attribute.floats))
