"""Several mini-batches at once: what the host says to the agent stays in order, whatever comes first."""
import json
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


    def test_begun_before_enqueue_takes_the_process_down(self):
        rig = self.script(SCRIPT.replace("    held[mini", "    import os; os._exit(9)\n        held[mini", 1))
        rig.queue(rig.files(["a"]), 7)
        messages, code = rig.rest()
        self.assertEqual(([(one["m"], one["i"]) for one in messages], code), ([("begin", 7)], 9))

    def test_records_know_their_mini_batch_where_that_is_certain(self):
        rig = self.script("""
            import threading
            from azureml.core import Run
            run = Run.get_context()
            done = {}

            def enqueue(batch, mini_batch_context):
                run.log("enqueued", 1)
                thread = threading.Thread(target=work, args=(mini_batch_context,))
                thread.start()
                thread.join()

            def work(context):
                run.log("worked", 1)
                done[context.minibatch_index] = context

            class Rows(list):
                def __len__(self):
                    run.log("taken", 1)
                    return list.__len__(self)

            def get_processing_batch_number():
                return 0

            def check_all_tasks_processed():
                return True

            def get_finished_batch_result():
                run.log("asked", 1)
                given = {index: {"ret": Rows(["x"]), "mini_batch_context": one, "exception": None}
                         for index, one in done.items()}
                done.clear()
                return given
        """)
        self.assertEqual(rig.run(index=4)["m"], "done")
        rig.stop()
        lines = rig.read("runs/r1/records/10.1.2.3/Process-3.jsonl").decode().splitlines()
        found = {(one["name"], one.get("miniBatch"), one.get("try")) for one in map(json.loads, lines)}
        self.assertEqual(found, {("enqueued", 4, 1), ("worked", None, None), ("asked", None, None), ("taken", 4, 1)})


if __name__ == "__main__":
    unittest.main()
