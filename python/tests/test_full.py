"""Printing onto a full disk: lost, and nothing else."""
import os
import subprocess
import sys
import unittest

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PRINTS = """
import sys
sys.path.insert(0, %r)
from parallelrun_host.streams import Streams
if %r:
    Streams()
    assert sys.stdout is sys.__stdout__ and sys.stdout.name == "<stdout>" and sys.stdout.fileno() == 1
for i in range(3):
    print("x" * 10000)
    sys.stdout.write("y" * 10000)
    sys.stdout.buffer.write(b"z" * 10000)
    sys.stdout.flush()
sys.stderr.write("went on")
"""


@unittest.skipUnless(os.path.exists("/dev/full"), "needs /dev/full")
class FullDisk(unittest.TestCase):
    def printed(self, ours):
        with open("/dev/full", "wb") as full:
            return subprocess.run([sys.executable, "-c", PRINTS % (PACKAGE, ours)], stdout=full,
                                  stderr=subprocess.PIPE, timeout=30)

    def test_prints_are_lost_and_the_script_goes_on(self):
        ended = self.printed(True)
        self.assertEqual((ended.returncode, ended.stderr), (0, b"went on"))

    def test_without_us_the_script_fails(self):
        self.assertNotEqual(self.printed(False).returncode, 0)
