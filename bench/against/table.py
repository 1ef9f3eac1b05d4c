"""Scores the table with one of the peers: table.py '{"peer": ..., "format": ..., "model": ..., "folder": ..., "output": ...}'.

Writes CSV (id,y) to or below `output`. Prints as JSON `inside`: seconds without the start of the peer.
"""
import csv
import io
import json
import os
import sys
import time

import model

WORKERS = 2
SLICE_BYTES = 10 << 20
ROWS = 100_000
SETTING = json.loads(sys.argv[1]) if __name__ == "__main__" else {}


def path_of(setting, name=None):
    return os.path.join(setting["folder"], name or "table." + setting["format"])


def written(frame, header=False):
    return frame.to_csv(index=False, header=header).encode()


def clock(setting):
    setting["start"] = time.perf_counter()


def loop(setting):
    """One process, pandas and nothing else."""
    import pandas

    loaded = model.load(setting["model"], setting["folder"])
    clock(setting)
    if setting["format"] == "csv":
        frames = pandas.read_csv(path_of(setting), chunksize=ROWS)
    else:
        import pyarrow.parquet

        file = pyarrow.parquet.ParquetFile(path_of(setting))
        frames = (file.read_row_group(i, use_threads=False).to_pandas() for i in range(file.num_row_groups))
    with open(setting["output"], "wb") as out:
        out.write(b"id,y\n")
        for frame in frames:
            out.write(written(model.score(loaded, frame)))


_worker = {}


def open_worker(setting):
    import pandas  # noqa: F401  so that no task waits for it

    _worker.update(setting, model=model.load(setting["model"], setting["folder"]))
    if setting["format"] == "parquet":
        import pyarrow.parquet

        _worker["file"] = pyarrow.parquet.ParquetFile(path_of(setting))


def score_slice(piece):
    """The reader is the setting's: the C parser of pandas, or that of pyarrow."""
    import pandas

    if _worker["format"] == "parquet":
        frame = _worker["file"].read_row_group(piece, use_threads=False).to_pandas()
    else:
        start, end = piece
        with open(path_of(_worker), "rb") as file:
            file.seek(start)
            data = file.read(end - start)
        names = _worker["names"]
        if _worker["reader"] == "pyarrow":
            import pyarrow.csv

            frame = pyarrow.csv.read_csv(
                pyarrow.BufferReader(data),
                read_options=pyarrow.csv.ReadOptions(use_threads=False, column_names=names),
            ).to_pandas()
        else:
            frame = pandas.read_csv(io.BytesIO(data), header=None, names=names)
    return written(model.score(_worker["model"], frame))


def slices(setting):
    """Byte ranges of whole rows; the table has no line breaks inside quotes, which is all that a loop by hand can trust."""
    if setting["format"] == "parquet":
        import pyarrow.parquet

        yield from range(pyarrow.parquet.ParquetFile(path_of(setting)).num_row_groups)
        return
    with open(path_of(setting), "rb") as file:
        header = file.readline()
        setting["names"] = next(csv.reader([header.decode()]))
        start, size = len(header), os.path.getsize(path_of(setting))
        while start < size:
            file.seek(min(start + SLICE_BYTES, size))
            file.readline()
            end = file.tell()
            yield (start, end)
            start = end


def pool(setting):
    from multiprocessing import Pool

    clock(setting)
    pieces = list(slices(setting))
    with Pool(WORKERS, open_worker, (setting,)) as workers, open(setting["output"], "wb") as out:
        out.write(b"id,y\n")
        for rows in workers.imap(score_slice, pieces):
            out.write(rows)


def ray(setting):
    """Ray Data; `pieces` gives it the CSV in sixteen files, as it reads a file in one task."""
    from pools import started_ray

    with started_ray(WORKERS) as library:
        loaded = library.put(model.load(setting["model"], setting["folder"]))
        library.data.DataContext.get_current().enable_progress_bars = False
        clock(setting)
        if setting["format"] == "csv":
            data = library.data.read_csv(path_of(setting, "pieces" if setting.get("pieces") else None))
        else:
            data = library.data.read_parquet(path_of(setting))
        scored = data.map_batches(
            lambda frame: model.score(library.get(loaded), frame), batch_format="pandas", batch_size=ROWS
        )
        scored.write_csv(setting["output"])
        setting["inside"] = time.perf_counter() - setting["start"]


def dask(setting):
    import dask as library
    import dask.dataframe
    import pandas
    from distributed import Client, LocalCluster

    loaded = model.load(setting["model"], setting["folder"])
    meta = pandas.DataFrame({"id": pandas.Series(dtype="int64"), "y": pandas.Series(dtype="float64")})
    library.config.set({"temporary-directory": setting["scratch"], "logging.distributed": "error"})
    cluster = LocalCluster(
        n_workers=WORKERS, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", silence_logs=50
    )
    with cluster, Client(cluster):
        clock(setting)
        if setting["format"] == "csv":
            data = library.dataframe.read_csv(path_of(setting), blocksize=SLICE_BYTES)
        else:
            data = library.dataframe.read_parquet(path_of(setting), split_row_groups=1)
        scored = data.map_partitions(lambda frame: model.score(loaded, frame), meta=meta)
        scored.to_csv(os.path.join(setting["output"], "*.csv"), index=False)
        setting["inside"] = time.perf_counter() - setting["start"]


def spark(setting):
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local[%d]" % WORKERS)
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.memory", "2g")
        .config("spark.local.dir", setting["scratch"])
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", str(ROWS))
        .getOrCreate()
    )
    loaded = model.load(setting["model"], setting["folder"])
    clock(setting)
    if setting["format"] == "csv":
        fields = ["id long"] + [name + " double" for name in model.FEATURES] + ["city string", "amount long"]
        data = session.read.csv(path_of(setting), header=True, schema=", ".join(fields))
    else:
        data = session.read.parquet(path_of(setting))
    scored = data.mapInPandas(lambda frames: (model.score(loaded, frame) for frame in frames), "id long, y double")
    scored.write.csv(setting["output"], header=True)
    setting["inside"] = time.perf_counter() - setting["start"]
    session.stop()


PEERS = {"loop": loop, "pool": pool, "ray": ray, "dask": dask, "spark": spark}

if __name__ == "__main__":
    PEERS[SETTING["peer"]](SETTING)
    inside = SETTING.get("inside", time.perf_counter() - SETTING["start"])
    print(json.dumps({"inside": inside}), flush=True)
