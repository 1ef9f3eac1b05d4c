"""The smallest useful entry script: a row per file, its name and how many characters it holds.

parallelrun run --entry-script examples/lengths.py --input docs
"""
from pathlib import Path


def run(mini_batch):
    rows = []
    for path in mini_batch:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
        rows.append(f"{Path(path).name} {len(text)}")
    return rows
