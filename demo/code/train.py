"""Entry script of one mini-batch: trains the model of the demo on the training part of the data set.

Writes two files to --model: digits.joblib for Python and digits.json, the same weights, for TypeScript.
"""
import argparse
import json
import os
import struct
import warnings

import joblib
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

IMAGES = 30000
PASSES = 15


def run(mini_batch):
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True, help="folder that gets the model")
    arguments, _ = parser.parse_known_args()
    files = {os.path.basename(path): path for path in mini_batch}
    images = read_idx(files["train-images-idx3-ubyte"])[:IMAGES].reshape(IMAGES, -1) / 255.0
    digits = read_idx(files["train-labels-idx1-ubyte"])[:IMAGES]

    model = MLPClassifier(hidden_layer_sizes=(64,), max_iter=PASSES, random_state=7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stops after PASSES on purpose
        model.fit(images, digits)
    print("trained on %d images, right on %.1f %% of them" % (IMAGES, 100 * model.score(images, digits)))

    os.makedirs(arguments.model, exist_ok=True)
    joblib.dump(model, os.path.join(arguments.model, "digits.joblib"))
    layers = [{"weights": w.tolist(), "biases": b.tolist()} for w, b in zip(model.coefs_, model.intercepts_)]
    with open(os.path.join(arguments.model, "digits.json"), "w") as file:
        json.dump({"layers": layers}, file)
    return list(mini_batch)


def read_idx(path):
    """Reads the array format of the data set: magic number, sizes, then bytes."""
    with open(path, "rb") as file:
        data = file.read()
    dimensions = data[3]
    shape = struct.unpack_from(">%dI" % dimensions, data, 4)
    return np.frombuffer(data, dtype=np.uint8, offset=4 + 4 * dimensions).reshape(shape)
