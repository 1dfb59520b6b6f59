"""Writes speed/speed.onnx: an UNTRAINED graph with the shapes of an image classifier.

It serves load and speed measurements only: FLOAT32 [1,224,224,3] in, [1,1000] out. Its
weights are random (fixed seed), so its outputs mean nothing; they depend on every input pixel
and sum to one, which is what a measurement can check.
"""

from pathlib import Path

import numpy
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper, save

SPEED = Path(__file__).resolve().parent / "speed"
SEED = 20260727


def main():
    SPEED.mkdir(exist_ok=True)
    save(graph(), SPEED / "speed.onnx")
    check()
    print(f"{(SPEED / 'speed.onnx').stat().st_size} bytes")


def graph():
    """Scale, to NCHW, average over 56x56 tiles, 48 features times a 48x1000 matrix, softmax.

    The matrix is the product of a 48x16 and a 16x1000 one, which keeps the file small.
    """
    random = numpy.random.default_rng(SEED)
    narrow = random.normal(0, 0.5, (48, 16)).astype(numpy.float32)
    wide = random.normal(0, 0.5, (16, 1000)).astype(numpy.float32)
    constants = [
        numpy_helper.from_array(numpy.array(1 / 255, numpy.float32), "scale"),
        numpy_helper.from_array(numpy.array([1, 48], numpy.int64), "flat"),
        numpy_helper.from_array(narrow, "narrow"),
        numpy_helper.from_array(wide, "wide"),
    ]
    nodes = [
        helper.make_node("Mul", ["input_1", "scale"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["planes"], ["tiles"], kernel_shape=[56, 56], strides=[56, 56]
        ),
        helper.make_node("Reshape", ["tiles", "flat"], ["features"]),
        helper.make_node("MatMul", ["features", "narrow"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "wide"], ["sums"]),
        helper.make_node("Softmax", ["sums"], ["act_softmax"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "speed_untrained",
        [helper.make_tensor_value_info("input_1", TensorProto.FLOAT, [1, 224, 224, 3])],
        [helper.make_tensor_value_info("act_softmax", TensorProto.FLOAT, [1, 1000])],
        constants,
        doc_string="Untrained: random weights, for load and speed measurements only.",
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8
    )
    checker.check_model(model, full_check=True)
    return model


def check():
    """Runs the stored file once: the shape is right, the sum is one, the input matters."""
    session = onnxruntime.InferenceSession(
        SPEED / "speed.onnx", providers=["CPUExecutionProvider"]
    )
    random = numpy.random.default_rng(SEED)
    outputs = []
    for _ in range(2):
        pixels = random.uniform(0, 255, (1, 224, 224, 3)).astype(numpy.float32)
        [output] = session.run(["act_softmax"], {"input_1": pixels})
        assert output.shape == (1, 1000), output.shape
        assert abs(float(output.sum()) - 1) < 1e-4, output.sum()
        outputs.append(output)
    assert not numpy.array_equal(*outputs), "the output does not depend on the input"


if __name__ == "__main__":
    main()
