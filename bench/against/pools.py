"""The peers: each is a context that gives a function (work, tasks) -> results as they come.

One task a message where the peer has a choice and its name doesn't say otherwise.
"""
import tempfile
from contextlib import contextmanager


@contextmanager
def pool(workers, chunk=1):
    import multiprocessing

    with multiprocessing.Pool(workers) as p:
        yield lambda work, tasks: p.imap_unordered(work, tasks, chunk)


@contextmanager
def bare(workers):
    """So many processes, each with its whole share as one task: a loop and nothing else."""
    import multiprocessing

    with multiprocessing.Pool(workers) as p:
        yield lambda work, tasks: p.map(work, tasks, -(-len(tasks) // workers))


@contextmanager
def executor(workers):
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(workers) as p:
        yield lambda work, tasks: p.map(work, tasks, chunksize=1)


@contextmanager
def joblib(workers):
    from joblib import Parallel, delayed

    with Parallel(n_jobs=workers, batch_size=1, return_as="generator_unordered") as p:
        yield lambda work, tasks: p(delayed(work)(task) for task in tasks)


@contextmanager
def dask(workers):
    import dask as library
    from distributed import Client, LocalCluster

    with tempfile.TemporaryDirectory(prefix="bench-dask-") as folder:
        library.config.set({"temporary-directory": folder, "logging.distributed": "error"})
        cluster = LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", silence_logs=50
        )
        with cluster, Client(cluster) as client:

            def go(work, tasks):
                futures = client.map(work, tasks, pure=False)
                yield futures[0].result()
                yield from client.gather(futures[1:])

            yield go


@contextmanager
def started_ray(workers):
    """Ray without dashboard. Its sockets need a short path, so its folder is in the system's temp folder."""
    import logging

    import ray

    with tempfile.TemporaryDirectory(prefix="bench-ray-", ignore_cleanup_errors=True) as folder:
        ray.init(
            num_cpus=workers,
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=False,
            object_store_memory=1 << 30,
            _node_ip_address="127.0.0.1",
            _temp_dir=folder,
        )
        yield ray
        ray.shutdown()


@contextmanager
def ray_tasks(workers):
    with started_ray(workers) as ray:

        def go(work, tasks):
            remote = ray.remote(work)
            refs = [remote.remote(task) for task in tasks]
            yield ray.get(refs[0])
            yield from ray.get(refs[1:])

        yield go


@contextmanager
def ray_data(workers, each):
    """`each` mini-batches in a block: Ray Data runs a task for each block."""
    with started_ray(workers) as ray:
        ray.data.DataContext.get_current().enable_progress_bars = False

        def go(work, tasks):
            items = [{"paths": task} for task in tasks]
            data = ray.data.from_items(items, override_num_blocks=-(-len(items) // each))
            done = data.map_batches(lambda batch: {"rows": [list(work(list(p))) for p in batch["paths"]]}, batch_size=1)
            for row in done.iter_rows():
                yield row["rows"]

        yield go


PEERS = {
    "bare": bare,
    "pool-1": pool,
    "pool-32": lambda workers: pool(workers, 32),
    "executor": executor,
    "joblib": joblib,
    "dask": dask,
    "ray": ray_tasks,
    "ray-data-1": lambda workers: ray_data(workers, 1),
    "ray-data-100": lambda workers: ray_data(workers, 100),
}
