"""Entry script: says which digit each image shows.

An image that can't be read is named in the log and left out, so that it counts as one failed item and its
neighbours keep their rows.
"""
import argparse
import logging
import os

import joblib
import numpy as np

from png import BrokenImage, read_grey

try:
    from entry_script import EntryScript
except ImportError:  # outside of a run, for example in a plain loop
    EntryScript = None

MODEL = None
LOG = logging.getLogger("score")


def init():
    """Loads the model once per worker process."""
    global MODEL, LOG
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True, help="folder with digits.joblib")
    arguments, _ = parser.parse_known_args()
    MODEL = joblib.load(os.path.join(arguments.model, "digits.joblib"))
    if EntryScript is not None:
        LOG = EntryScript().logger
    LOG.info("model loaded from %s", arguments.model)


def run(mini_batch):
    """Takes paths of images, returns a row `name,digit,confidence` for each one that can be read."""
    names, images = [], []
    for path in mini_batch:
        try:
            width, height, pixels = read_grey(path)
            if (width, height) != (28, 28):
                raise BrokenImage("it has %d x %d pixels instead of 28 x 28" % (width, height))
        except (BrokenImage, OSError) as error:
            LOG.error("unreadable image %s: %s", os.path.basename(path), error)
            continue
        names.append(os.path.basename(path))
        images.append(np.frombuffer(pixels, dtype=np.uint8))
    if not images:
        return []
    probabilities = MODEL.predict_proba(np.stack(images) / 255.0)
    digits = probabilities.argmax(axis=1)
    return ["%s,%d,%.4f" % (name, digit, row[digit]) for name, digit, row in zip(names, digits, probabilities)]
