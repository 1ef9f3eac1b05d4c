"""A plain loop over an entry script: no processes, no retries, no ParallelRun. What a run must come to.

python loop.py SCRIPT FOLDER MINI_BATCH_SIZE OUTPUT [arguments of the script]
"""
import importlib
import os
import sys

script, folder, size, output = sys.argv[1:5]
sys.argv = [script] + sys.argv[5:]
sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
module = importlib.import_module(os.path.basename(script)[: -len(".py")])

paths = sorted((os.path.join(folder, name) for name in os.listdir(folder)), key=os.fsencode)
module.init()
with open(output, "w") as file:
    for start in range(0, len(paths), int(size)):
        for row in module.run(paths[start : start + int(size)]):
            file.write("%s\n" % (row,))
