"""Several mini-batches at once: what the host says to the agent stays in order, whatever comes first."""
import unittest

from tests.rig import HostTest

SCRIPT = """
    held, order = {}, []

    def enqueue(batch, mini_batch_context):
        held[mini_batch_context.minibatch_index] = (list(batch), mini_batch_context)

    def get_processing_batch_number():
        return len(held)

    def check_all_tasks_processed():
        return not held or max(held) < 100

    def get_finished_batch_result():
        # the last one first, one at a time
        if len(held) < 3 and not order:
            return {}
        index = max(held) if held else None
        if index is None:
            return {}
        order.append(index)
        batch, context = held.pop(index)
        return {index: {"ret": ["%d of %d" % (index, len(order))], "mini_batch_context": context, "exception": None}}
"""


class InFlight(HostTest):
    def script(self, text):
        rig = self.started(text, inFlight=True)
        return rig

    def test_results_leave_in_order(self):
        rig = self.script(SCRIPT)
        with rig.held():
            for index in (100, 101, 102):
                rig.queue(rig.files(["a"]), index)
        said = [rig.next() for _ in range(6)]
        self.assertEqual([(one["m"], one["i"]) for one in said], [
            ("begin", 100), ("done", 100), ("begin", 101), ("done", 101), ("begin", 102), ("done", 102)])
        self.assertEqual([one["body"] for one in said if one["m"] == "done"],
                         [b"100 of 3\n", b"101 of 2\n", b"102 of 1\n"])
        messages, code = rig.stop()
        self.assertEqual((messages[-1]["m"], code), ("bye", 0))

    def test_a_result_that_is_none(self):
        rig = self.script(SCRIPT.replace('{"ret": [', '{"rat": [').replace("len(held) < 3", "False"))
        failed = rig.run(index=100)
        self.assertEqual((failed["m"], failed["error"]["kind"], failed["error"]["returned"]),
                         ("failed", "invalid-return", "dict"))

    def test_a_script_that_lost_one(self):
        rig = self.script(SCRIPT.replace("not held or max(held) < 100", "True"))
        failed = rig.run(index=3)
        self.assertEqual(failed["m"], "failed")
        self.assertIn("has given no result for mini-batch 3", failed["error"]["message"])

    def test_stop_while_some_are_under_way(self):
        rig = self.script(SCRIPT)
        with rig.held():
            for index in (100, 101, 102):
                rig.queue(rig.files(["a"]), index)
        self.assertEqual(rig.next()["m"], "begin")
        rig.send({"m": "stop"})
        messages, code = rig.rest()
        # the one whose turn it is ends in any case; those behind it only where they were done before the stop came
        self.assertEqual((messages[0]["m"], messages[0]["i"]), ("done", 100))
        self.assertEqual((messages[-1]["m"], code), ("bye", 0))


if __name__ == "__main__":
    unittest.main()
