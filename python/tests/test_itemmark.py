"""The mark of the item under way: what it says when a worker dies, when `run()` raises, and where it must be silent."""
import asyncio
import contextlib
import copy
import itertools
import json
import os
import pickle
import struct
import tempfile
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor

from parallelrun_host.itemmark import ItemMarker
from parallelrun_host.minibatch import MarkedMiniBatch, MiniBatch

from .rig import HostTest
from .test_frames import load

NOTHING = (0, 0, 0, 0)
DISPATCH, INDEX, FIRST = 3, 7, 100


def read_mark(path):
    with open(path, "rb") as file:
        return struct.unpack("<IIII", file.read(16))


class MarkerTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="parallelrun-host-")
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "mark")
        with open(self.path, "wb") as file:
            file.write(bytes(16))
        self.marker = ItemMarker(self.path)
        self.addCleanup(self.marker.end)

    @property
    def mark(self):
        return read_mark(self.path)

    def batch(self, names="abcdefgh", index=INDEX):
        batch = MiniBatch("/d/" + name for name in names)
        batch.task_id = batch.minibatch_index = index
        self.marker.begin(index, DISPATCH, batch, FIRST)
        return MarkedMiniBatch(batch, self.marker)

    def item(self, run, batch):
        try:
            run(batch)
        except BaseException as error:
            return self.marker.item_of(error)
        self.fail("nothing raised")


def check(name):
    if name.endswith("e"):
        raise ValueError(name)
    return name


# -- scripts in which item 4 raises while it is worked on


def loop(batch):
    for name in batch:
        check(name)


def loop_with_everything(batch):
    with contextlib.ExitStack():
        for _, (name, _) in enumerate(zip(batch, itertools.count())):
            with open(os.devnull):
                try:
                    check(name)
                except KeyError:
                    continue
                finally:
                    len(name)


def long_loop(batch):
    body = "".join("    a%d = name\n" % number for number in range(400))
    space = {"check": check}
    exec("def run(batch):\n  for name in batch:\n" + body + "    check(name)\n", space)
    space["run"](batch)


def comprehension(batch):
    return [check(name) for name in batch]


def generator_expression(batch):
    return dict((check(name), 1) for name in batch)


def mapped(batch):
    return list(map(check, batch))


def mapped_loop(batch):
    results = map(check, batch)
    for _ in results:
        pass


def raised_from(batch):
    for name in batch:
        try:
            check(name)
        except ValueError as error:
            raise RuntimeError("another") from error


def raised_anew(batch):
    for name in batch:
        try:
            check(name)
        except ValueError:
            raise RuntimeError("another") from None


def raised_behind_the_loop(batch):
    try:
        for name in batch:
            check(name)
    except ValueError as error:
        raise error


def progress(iterable):
    try:
        for element in iterable:
            yield element
    finally:
        len("done")


def passed_on(iterable):
    yield from iterable


def through_generators(batch):
    for _, name in enumerate(progress(passed_on(progress(batch)))):
        check(name)


def in_helpers(batch):
    def one(name):
        return check(name)

    def every():
        return {one(name) for name in batch}

    return every()


def awaited(batch):
    async def one(name):
        await asyncio.sleep(0)
        check(name)

    async def every():
        for name in batch:
            await one(name)

    asyncio.run(every())


def nested(batch):
    for _ in batch:
        for name in batch:
            check(name)


def exits(batch):
    for name in batch:
        if name.endswith("e"):
            raise SystemExit(3)


def changed_list(batch):
    batch.sort(reverse=True)
    batch.pop(0)
    for name in batch:
        check(name)


def same_names(batch):
    batch[:] = ["".join(name) for name in batch]
    for name in batch:
        check(name)


KNOWN = (loop, loop_with_everything, long_loop, comprehension, generator_expression, mapped, mapped_loop, raised_from,
         raised_anew, raised_behind_the_loop, through_generators, in_helpers, awaited, nested, exits, changed_list,
         same_names)


# -- scripts of which nobody can say what item they are at


def taken_before(batch):
    names = list(batch)
    check(names[4])


def broken_off(batch):
    for name in batch:
        if name.endswith("c"):
            break
    check(batch[4])


def searched(batch):
    any(name.endswith("c") for name in batch)
    check(batch[4])


def chunks(iterable):
    rest = iter(iterable)
    while True:
        chunk = list(itertools.islice(rest, 3))
        if not chunk:
            return
        yield chunk


def chunked(batch):
    for chunk in chunks(batch):
        for name in chunk:
            check(name)


def peeked(batch):
    rest = iter(batch)
    next(rest)
    check(batch[4])


def by_position(batch):
    for position in range(len(batch)):
        check(batch[position])


def pooled(batch):
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(check, batch))


def gathered(batch):
    async def one(name):
        await asyncio.sleep(0)
        check(name)

    async def every():
        await asyncio.gather(*[one(name) for name in batch])

    asyncio.run(every())


def taken_by_another_thread(batch):
    rest = iter(batch)
    for _ in rest:
        thread = threading.Thread(target=lambda: next(rest))
        thread.start()
        thread.join()
        check(batch[4])


def other_names(batch):
    batch[:] = [name + "/e" for name in batch]
    for name in batch:
        check(name)


UNKNOWN = (taken_before, broken_off, searched, chunked, peeked, by_position, pooled, gathered, taken_by_another_thread,
           other_names)


class ItemOfAnException(MarkerTest):
    def test_known_where_the_exception_came_out_of_its_loop(self):
        for run in KNOWN:
            with self.subTest(run.__name__):
                self.assertEqual(self.item(run, self.batch()), FIRST + 4)
                self.marker.end()

    def test_unknown_where_another_item_may_be_the_cause(self):
        for run in UNKNOWN:
            with self.subTest(run.__name__):
                self.assertIsNone(self.item(run, self.batch()))
                self.marker.end()

    def test_unknown_when_the_hand_out_is_over(self):
        batch = self.batch()
        try:
            loop(batch)
        except ValueError as error:
            self.marker.end()
            self.assertIsNone(self.marker.item_of(error))

    def test_strange_chains_end(self):
        first, second = ValueError(1), ValueError(2)
        first.__context__, second.__context__ = second, first
        for name in self.batch():
            self.assertIsNone(self.marker.item_of(first))


class MarkOnDisk(MarkerTest):
    def test_names_the_item_taken_last(self):
        seen = []
        for _ in self.batch("abc"):
            seen.append(self.mark)
        self.assertEqual(seen, [(DISPATCH, INDEX, FIRST + position, 0) for position in range(3)])
        self.assertEqual(self.mark, NOTHING)

    def test_gone_when_the_iterator_is(self):
        batch = self.batch()
        for _ in batch:
            break
        self.assertEqual(self.mark, NOTHING)
        kept = iter(batch)
        next(kept)
        self.assertEqual(self.mark, (DISPATCH, INDEX, FIRST, 0))
        self.marker.end()
        self.assertEqual(self.mark, NOTHING)
        self.assertEqual(list(kept), batch[1:])
        self.assertEqual(self.mark, NOTHING)

    def test_an_iterator_that_is_not_the_last_to_take_changes_nothing(self):
        batch = self.batch()
        first, second = iter(batch), iter(batch)
        next(first), next(first), next(second)
        del first
        self.assertEqual(self.mark, (DISPATCH, INDEX, FIRST, 0))
        del second
        self.assertEqual(self.mark, NOTHING)

    def test_iterators_of_the_hand_out_before_mark_nothing(self):
        old = iter(self.batch())
        next(old)
        self.marker.end()
        batch = MiniBatch(["x", "y"])
        batch.minibatch_index = 8
        self.marker.begin(8, DISPATCH + 1, batch, 0)
        new = iter(MarkedMiniBatch(batch, self.marker))
        next(new)
        next(old)
        self.assertEqual(self.mark, (DISPATCH + 1, 8, 0, 0))

    def test_numbers_that_have_no_room_are_not_marked(self):
        for _ in self.batch(index=2 ** 32):
            self.assertEqual(self.mark, NOTHING)

    def test_files_that_cannot_be_written(self):
        for path in ("/not/there", os.path.dirname(self.path), "/dev/full", "bad\0name"):
            with self.subTest(path):
                self.marker = ItemMarker(path)
                self.assertEqual(self.item(loop, self.batch()), FIRST + 4)
                self.marker.end()

    def test_no_descriptor_stays(self):
        before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
        for _ in range(3):
            loop(self.batch("abc"))
            self.marker.end()
        self.assertEqual(os.listdir("/proc/self/fd") if before else [], before)


class Vectors(MarkerTest):
    def test_the_bytes_are_those_the_agent_reads(self):
        marks = [(entry["mark"], bytes.fromhex(entry["markHex"])) for entry in load() if "markHex" in entry]
        self.assertEqual(len(marks), 3)
        for mark, data in marks:
            self.marker.end()
            if mark["dispatch"]:
                batch = MiniBatch(["x"])
                self.marker.begin(mark["index"], mark["dispatch"], batch, mark["position"])
                batch.minibatch_index = mark["index"]
                rest = iter(MarkedMiniBatch(batch, self.marker))
                next(rest)
            with open(self.path, "rb") as file:
                self.assertEqual(file.read(), data)


class StillAList(MarkerTest):
    def test_in_all_that_a_script_may_do_with_it(self):
        batch = self.batch("abc")
        plain = ["/d/a", "/d/b", "/d/c"]
        self.assertIsInstance(batch, list)
        self.assertEqual((batch, repr(batch), str(batch), len(batch), batch.task_id), (plain, repr(plain), str(plain), 3, 7))
        self.assertTrue(batch == plain and plain == batch and not batch != plain and batch < ["/e"] and "/d/b" in batch)
        self.assertEqual((json.dumps(batch), json.dumps(batch, indent=1)), (json.dumps(plain), json.dumps(plain, indent=1)))
        self.assertEqual((",".join(batch), sorted(batch), tuple(batch), [*batch]), (",".join(plain), plain, tuple(plain), plain))
        self.assertEqual(list(reversed(batch)), plain[::-1])
        for other in (batch[:], batch[0:], batch.copy(), batch + [], batch * 1, copy.copy(batch), copy.deepcopy(batch),
                      pickle.loads(pickle.dumps(batch)), pickle.loads(pickle.dumps(batch, 0))):
            self.assertIs(type(other), list)
            self.assertEqual(other, plain)
        self.assertNotIn(b"parallelrun", pickle.dumps(batch))
        first, *rest = batch
        self.assertEqual([first] + rest, plain)

    def test_while_it_changes(self):
        def grown(batch):
            seen = []
            for name in batch:
                seen.append(name)
                if len(seen) == 1:
                    batch.append("new")
                if len(seen) == 2:
                    del batch[0]
            return seen

        batch = self.batch("abc")
        self.assertEqual(grown(batch), grown(["/d/a", "/d/b", "/d/c"]))

    def test_copies_mark_nothing(self):
        batch = self.batch()
        for other in (batch[2:5], batch.copy(), copy.copy(batch)):
            for _ in other:
                self.assertEqual(self.mark, NOTHING)


class ThroughTheHost(HostTest):
    def marked(self, script):
        rig = self.rig(script)
        self.mark_path = rig.write("mark", bytes(16))
        rig.hello["markFile"] = self.mark_path
        return rig.start()

    @property
    def mark(self):
        return read_mark(self.mark_path)

    DIES = "import os\ndef run(batch):\n    for name in batch:\n        if name.endswith('/d'):\n            os._exit(3)\n"

    def test_left_by_a_worker_that_dies(self):
        for part, item in ((None, 3), ((2, 5), 3), ((3, 4), 3)):
            with self.subTest(part=part):
                rig = self.marked(self.DIES)
                rig.queue(rig.files("abcde"), 5, 2, part)
                self.assertEqual(([message["m"] for message in rig.rest()[0]], rig.wait()), (["begin"], 3))
                self.assertEqual(self.mark, (1, 5, item, 0))

    def test_nothing_in_the_first_try(self):
        rig = self.marked(self.DIES)
        rig.queue(rig.files("abcde"), 5, 1)
        self.assertEqual(rig.rest()[1], 3)
        self.assertEqual(self.mark, NOTHING)

    def test_first_try_of_a_part_is_marked(self):
        rig = self.marked(self.DIES)
        rig.queue(rig.files("abcde"), 5, 1, (0, 5))
        self.assertEqual(rig.rest()[1], 3)
        self.assertEqual(self.mark, (1, 5, 3, 0))

    def test_iterates_by_itself_in_the_first_try(self):
        rig = self.marked("""
            def run(batch):
                return [type(batch).__iter__ is list.__iter__, type(iter(batch)) is type(iter([])), isinstance(batch, list)]
            """)
        self.assertEqual(rig.run("abc")["body"], b"True\nTrue\nTrue\n")
        self.assertEqual(rig.run("abc", try_number=2)["body"], b"False\nFalse\nTrue\n")
        self.assertEqual(rig.run("abc")["body"], b"True\nTrue\nTrue\n")

    def test_gone_when_run_has_returned(self):
        rig = self.marked("""
            def run(batch):
                global kept
                kept = iter(batch)
                next(kept)
                return Rows([batch[0]])
            class Rows(list):
                def __iter__(self):
                    with open("../mark", "rb") as mark:
                        yield mark.read().hex()
            """)
        self.assertEqual(rig.run("abc", try_number=2)["body"], b"00" * 16 + b"\n")
        self.assertEqual(self.mark, NOTHING)

    def test_kept_while_a_generator_gives_its_rows(self):
        rig = self.marked("""
            import os
            def run(batch):
                for name in batch:
                    if name.endswith("/c"):
                        raise ValueError(name)
                    if name.endswith("/y"):
                        os._exit(3)
                    yield name
            """)
        end = rig.run("abc", index=9, try_number=2)
        self.assertEqual((end["error"]["message"], end["item"]), (rig.path("data/c"), 2))
        self.assertEqual(self.mark, NOTHING)
        rig.queue(rig.files("abxyz"), 9, 2, (1, 5))
        self.assertEqual(rig.rest()[1], 3)
        self.assertEqual(self.mark, (2, 9, 3, 0))

    def test_exceptions_name_it_from_the_second_try_on(self):
        rig = self.marked("""
            def run(batch):
                for name in batch:
                    if name.endswith("/d"):
                        raise ValueError(name)
            """)
        ends = [rig.run("abcde", try_number=number, part=part)
                for number, part in ((1, None), (2, None), (3, (1, 5)), (1, (3, 4)))]
        self.assertEqual([end.get("item") for end in ends], [None, 3, 3, 3])
        self.assertEqual(self.mark, NOTHING)
        self.assertEqual({len(end["error"]["frames"]) for end in ends}, {1})
        self.assertEqual(len({end["error"]["traceback"] for end in ends}), 1)

    def test_a_row_that_cannot_be_encoded_is_named_by_its_number(self):
        rig = self.marked("""
            class Mute:
                def __str__(self):
                    raise ValueError("no text")
            def run(batch):
                for name in batch:
                    yield Mute() if name.endswith("/b") else name
            """)
        self.assertEqual(rig.run("abcde", try_number=2)["item"], 1)

    def test_no_item_for_another_result(self):
        rig = self.marked("def run(batch):\n    for name in batch:\n        return None\n")
        self.assertNotIn("item", rig.run("abc", try_number=2))

    def test_forked_children_mark_nothing(self):
        rig = self.marked("""
            import os
            def run(batch):
                for number, name in enumerate(batch):
                    if number == 2:
                        child = os.fork()
                        if child == 0:
                            list(batch)
                            for name in batch:
                                if name.endswith("/d"):
                                    os._exit(0)
                        os.waitpid(child, 0)
                        os._exit(3)
            """)
        rig.queue(rig.files("abcde"), 5, 2)
        self.assertEqual(rig.rest()[1], 3)
        self.assertEqual(self.mark, (1, 5, 2, 0))

    def test_pools_get_plain_items(self):
        rig = self.marked("""
            import multiprocessing
            def plain(batch):
                return [type(batch).__name__] + batch
            def run(batch):
                with multiprocessing.get_context("fork").Pool(1) as pool:
                    return pool.map(str, batch) + pool.apply(plain, (batch,))
            """)
        names = [rig.path("data/" + name) for name in "ab"]
        self.assertEqual(rig.run("ab", try_number=2)["body"].decode().splitlines(), names + ["list"] + names)

    def test_a_script_that_closes_everything(self):
        rig = self.marked("""
            import os
            def run(batch):
                for name in batch:
                    os.closerange(3, 850)
                    if name.endswith("/b"):
                        os._exit(3)
            """)
        rig.queue(rig.files("abc"), 5, 2)
        self.assertEqual(rig.rest()[1], 3)
        self.assertEqual(self.mark, (1, 5, 1, 0))

    def test_without_a_file_nothing_is_marked(self):
        rig = self.started(self.DIES.replace("os._exit(3)", "raise ValueError"))
        end = rig.run("abcde", try_number=2)
        self.assertNotIn("item", end)
