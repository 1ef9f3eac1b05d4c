"""Makes the table of the benchmark: make_table.py FOLDER ROWS.

table.csv (about 100 bytes a row), the same as table.parquet with 100,000 rows a group, the same CSV in sixteen pieces with
a header each in pieces/ (for readers that never split a file), and a boosted model. The same numbers on every machine.
"""
import os
import pickle
import sys

import numpy
import pyarrow
import pyarrow.csv
import pyarrow.parquet

import model

CHUNK = 100_000
PIECES = 16
CITIES = numpy.array(["Berlin", "Lagos", "Lima", "Osaka", "Quito, Pichincha", 'Paris "centre"', "Oslo", "Perth"])


def chunk_of(random, first, rows):
    columns = {"id": numpy.arange(first, first + rows)}
    for name in model.FEATURES:
        columns[name] = numpy.round(random.normal(size=rows), 6)
    columns["city"] = CITIES[random.integers(0, len(CITIES), rows)]
    columns["amount"] = random.integers(0, 1_000_000, rows)
    return pyarrow.table(columns)


def boosted(random):
    from sklearn.ensemble import HistGradientBoostingRegressor

    features = random.normal(size=(20_000, len(model.FEATURES)))
    target = features @ model.WEIGHTS + numpy.sin(features[:, 0] * 3)
    return HistGradientBoostingRegressor(max_iter=50, random_state=0).fit(features, target)


def main():
    folder, rows = sys.argv[1], int(sys.argv[2])
    random = numpy.random.default_rng(20)
    with open(os.path.join(folder, "boosted.pickle"), "wb") as file:
        pickle.dump(boosted(random), file)
    os.mkdir(os.path.join(folder, "pieces"))
    schema = chunk_of(random, 0, 1).schema
    csv = pyarrow.csv.CSVWriter(os.path.join(folder, "table.csv"), schema)
    parquet = pyarrow.parquet.ParquetWriter(os.path.join(folder, "table.parquet"), schema)
    piece, piece_number = None, -1
    for first in range(0, rows, CHUNK):
        table = chunk_of(random, first, min(CHUNK, rows - first))
        csv.write_table(table)
        parquet.write_table(table, row_group_size=CHUNK)
        number = first * PIECES // rows
        if number != piece_number:
            if piece is not None:
                piece.close()
            piece = pyarrow.csv.CSVWriter(os.path.join(folder, "pieces", "%02d.csv" % number), schema)
            piece_number = number
        piece.write_table(table)
    for writer in (csv, parquet, piece):
        writer.close()


main()
