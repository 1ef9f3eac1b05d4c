"""Entry script of the table benchmark: scores the rows of a mini-batch."""
import argparse

import model

_state = {}


def init():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--folder", required=True)
    known, _ = parser.parse_known_args()
    _state["model"] = model.load(known.model, known.folder)


def run(mini_batch):
    return model.score(_state["model"], mini_batch)
