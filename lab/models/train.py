"""Trains the digits classifier of the lab and writes everything that is stored in digits/.

The data are the 1,797 handwritten digits that scikit-learn ships (8x8 grey, 0 to 16). A
quarter of them is held out, stored as BMP and PNG files, and never seen by the training. The
accuracy is measured by onnxruntime from those files, decoded again, not from the arrays.

Every seed is fixed: with the versions of requirements.txt, another run on the same kind of
processor writes the same files. (Another processor may round a weight's last bit otherwise.)
"""

import json
import shutil
from pathlib import Path

import numpy
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper, save
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

DIGITS = Path(__file__).resolve().parent / "digits"
SEED = 20260727
HELD_OUT_SHARE = 0.25


def main():
    digits = load_digits()
    # What the picture files hold, and what the network is fed: 0 to 255.
    pictures = numpy.round(digits.images * 255 / 16).astype(numpy.uint8)
    rows = numpy.arange(len(pictures))
    training, held_out = train_test_split(
        rows, test_size=HELD_OUT_SHARE, stratify=digits.target, random_state=SEED
    )
    network = train(pictures[training], digits.target[training])

    if DIGITS.exists():
        shutil.rmtree(DIGITS)
    (DIGITS / "held-out").mkdir(parents=True)
    save(to_onnx(network), DIGITS / "digits.onnx")

    labels = {}
    for position, row in enumerate(sorted(held_out)):
        name = store_picture(pictures[row], int(row), position)
        labels[name] = int(digits.target[row])
    write_json(DIGITS / "labels.json", labels)

    accuracy = measure(labels)
    write_json(DIGITS / "accuracy.json", accuracy)
    print(f"{accuracy['correct']} of {accuracy['held_out']} correct: {accuracy['accuracy']}")


def train(pictures, labels):
    """A network of 64 inputs, 128 and 64 hidden units, and 10 outputs.

    It is trained on each picture and on four copies shifted by one pixel: the digits are not
    all centred alike.
    """
    shifted = [pictures]
    for rows, columns in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        shifted.append(shift(pictures, rows, columns))
    inputs = numpy.concatenate(shifted).reshape(-1, 64).astype(numpy.float32) / 255
    network = MLPClassifier(
        hidden_layer_sizes=(128, 64), alpha=1e-3, max_iter=400, random_state=SEED
    )
    return network.fit(inputs, numpy.tile(labels, len(shifted)))


def shift(pictures, rows, columns):
    """The pictures moved by so many pixels; what moves in is black."""
    padded = numpy.pad(pictures, ((0, 0), (1, 1), (1, 1)))
    return padded[:, 1 - rows : 9 - rows, 1 - columns : 9 - columns]


def to_onnx(network):
    """The graph: scale to 0..1, flatten, Gemm and Relu per hidden layer, Gemm, Softmax."""
    constants = [
        numpy_helper.from_array(numpy.array(1 / 255, numpy.float32), "scale"),
        numpy_helper.from_array(numpy.array([1, 64], numpy.int64), "flat"),
    ]
    nodes = [
        helper.make_node("Mul", ["input_1", "scale"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "flat"], ["hidden_0"]),
    ]
    last = len(network.coefs_) - 1
    for layer, (weights, bias) in enumerate(zip(network.coefs_, network.intercepts_)):
        constants += [
            numpy_helper.from_array(weights.astype(numpy.float32), f"weights_{layer}"),
            numpy_helper.from_array(bias.astype(numpy.float32), f"bias_{layer}"),
        ]
        inputs = [f"hidden_{layer}", f"weights_{layer}", f"bias_{layer}"]
        nodes.append(helper.make_node("Gemm", inputs, [f"sum_{layer}"]))
        if layer < last:
            nodes.append(helper.make_node("Relu", [f"sum_{layer}"], [f"hidden_{layer + 1}"]))
    nodes.append(helper.make_node("Softmax", [f"sum_{last}"], ["act_softmax"], axis=1))

    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("input_1", TensorProto.FLOAT, [1, 8, 8, 1])],
        [helper.make_tensor_value_info("act_softmax", TensorProto.FLOAT, [1, 10])],
        constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8
    )
    checker.check_model(model, full_check=True)
    return model


def store_picture(pixels, row, position):
    """Stores one picture and returns its file name.

    Every second one is a PNG (8-bit grey). The others are BMPs as most tools write them, 24-bit
    and bottom-up; every fifth of those has 8-bit pixels with a grey palette.
    """
    picture = Image.fromarray(pixels, mode="L")
    if position % 2:
        name = f"{row:04}.png"
    else:
        name = f"{row:04}.bmp"
        if position % 10:
            picture = picture.convert("RGB")
    picture.save(DIGITS / "held-out" / name)
    return name


def measure(labels):
    """What onnxruntime predicts from the stored files, and how much of it is right."""
    session = onnxruntime.InferenceSession(
        DIGITS / "digits.onnx", providers=["CPUExecutionProvider"]
    )
    predictions = {}
    for name in labels:
        with Image.open(DIGITS / "held-out" / name) as picture:
            pixels = numpy.asarray(picture.convert("L"), numpy.float32)
        [[output]] = session.run(["act_softmax"], {"input_1": pixels.reshape(1, 8, 8, 1)})
        predictions[name] = int(output.argmax())
    correct = sum(predictions[name] == label for name, label in labels.items())
    return {
        "held_out": len(labels),
        "correct": correct,
        "accuracy": round(correct / len(labels), 6),
        "measured_with": f"onnxruntime {onnxruntime.__version__}",
        "predictions": predictions,
    }


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    main()
