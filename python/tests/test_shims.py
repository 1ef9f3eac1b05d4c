"""The stand-ins of the Azure SDK and the helper classes, the seed's own included."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

from parallelrun_host.shim_finder import SHIMS

from .rig import HostTest

SEED = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                    "test", "fixtures", "seed")
LOG_LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\|")


def seed(name):
    with open(os.path.join(SEED, name), encoding="utf-8") as file:
        return file.read()


class Seed(HostTest):
    def test_helper_and_sample_verbatim(self):
        rig = self.rig("", {name: seed(name) for name in ("entry_script_helper.py", "score_file_list.py")})
        rig.hello.update(moduleName="score_file_list", script=rig.path("code/score_file_list.py"))
        for number in range(3):
            rig.write("data/f%d.txt" % number, "one\ntwo %d\n" % number)
        end = rig.start().run(["f0.txt", "f1.txt", "f2.txt"])
        self.assertEqual((end["m"], end["k"]), ("done", 3))
        for number in range(3):
            name = rig.path("runs/temp/output/f%d.txt" % number)
            self.assertEqual(rig.read(name).decode(),
                             "ouput file %s from %s:\none\ntwo %d\n" % (name, rig.path("code/score_file_list.py"), number))
        lines = rig.read("runs/r1/logs/user/10.1.2.3/Process-3.txt").decode().splitlines()
        self.assertEqual(len(lines), 6)
        for line in lines:
            self.assertRegex(line, LOG_LINE)
            self.assertEqual(line.split("|")[1:4], ["score_file_list", "INFO", str(rig.process.pid)])
        self.assertIn("run([", lines[2])

    def test_temp_dir_of_the_helper(self):
        rig = self.started("from entry_script_helper import EntryScriptHelper\ndef run(batch):\n"
                           "    return [EntryScriptHelper().get_temp_dir()]\n",
                           {"entry_script_helper.py": seed("entry_script_helper.py")})
        self.assertEqual(rig.run()["body"].decode().strip(), rig.path("work/azureml-bi/%d" % rig.process.pid))


class EntryScript(HostTest):
    def test_both_imports_are_one(self):
        rig = self.started("""
            import pickle
            from entry_script import EntryScript
            from azureml_user.parallel_run import EntryScript as Other
            def run(batch):
                one = EntryScript(logging_level="debug")
                one.logger.debug("hello %s", "there")
                Other().logger.info("again")
                same = Other() is one and pickle.loads(pickle.dumps(one)) is one
                return [same, one.log_dir, one.output_dir, one.working_dir, one.agent_name]
            """)
        out = rig.run()["body"].decode().splitlines()
        run = rig.path("runs/r1")
        self.assertEqual(out, ["True", run + "/logs", run + "/outputs", run, "Process-3"])
        lines = rig.read("runs/r1/logs/user/10.1.2.3/Process-3.txt").decode().splitlines()
        self.assertEqual([line.split("|")[1:3] + line.split("|")[5:] for line in lines],
                         [["EntryScript", "DEBUG", "run()", "hello there"], ["EntryScript", "INFO", "run()", "again"]])
        for line in lines:
            self.assertRegex(line, LOG_LINE)

    def test_level_of_the_run_and_output_path(self):
        rig = self.rig("""
            from entry_script import EntryScript
            def run(batch):
                EntryScript().logger.info("not kept")
                EntryScript().logger.warning("kept")
                return [EntryScript().output_dir]
            """, loggingLevel="WARNING")
        rig.environment["AZUREML_BI_OUTPUT_PATH"] = rig.path("out")
        rig.environment["AZ_BATCHAI_WORKER_IP"] = "10.9.9.9"
        self.assertEqual(rig.start().run()["body"].decode(), rig.path("out") + "\n")
        self.assertEqual([line.split("|")[-1] for line in
                          rig.read("runs/r1/logs/user/10.9.9.9/Process-3.txt").decode().splitlines()], ["kept"])

    def test_children_log_into_files_of_their_own(self):
        for method in ("fork", "spawn"):
            with self.subTest(method):
                rig = self.rig("""
                    import multiprocessing
                    from entry_script import EntryScript
                    def child(helper):
                        helper.logger.info("from the child")
                    def run(batch):
                        EntryScript().logger.info("from the parent")
                        process = multiprocessing.get_context("%s").Process(target=child, args=(EntryScript(),))
                        process.start(); process.join()
                        return [process.exitcode]
                    """ % method)
                rig.environment["AZ_BATCHAI_WORKER_IP"] = "10.1.2.3"
                self.assertEqual(rig.start().run()["body"], b"0\n")
                folder = "runs/r1/logs/user/10.1.2.3"
                texts = {name: [line.split("|")[-1] for line in rig.read(folder + "/" + name).decode().splitlines()]
                         for name in os.listdir(rig.path(folder))}
                self.assertEqual(texts.pop("Process-3.txt"), ["from the parent"])
                self.assertEqual(list(texts.values()), [["from the child"]])

    def test_modules_of_the_user_win(self):
        rig = self.started("import entry_script, azureml_user\ndef run(b):\n    return [entry_script.X, azureml_user.X]\n",
                           {"entry_script.py": "X = 'mine'\n", "azureml_user/__init__.py": "X = 'mine too'\n"})
        self.assertEqual(rig.run()["body"], b"mine\nmine too\n")


class Run(HostTest):
    def records(self, script):
        rig = self.started(script)
        end = rig.run_source({"kind": "files", "root": "/", "files": ["a"]})
        self.assertEqual(end["m"], "done", end)
        return rig, self.kept(rig), end["body"]

    def kept(self, rig):
        if not os.path.exists(rig.environment["PARALLELRUN_RECORDS"]):
            return []
        with open(rig.environment["PARALLELRUN_RECORDS"]) as file:
            return [json.loads(line) for line in file]

    def test_identity(self):
        rig = self.started("""
            from azureml.core import Run
            from azureml.core.run import Run as Same
            import azureml.core
            def run(batch):
                r = Run.get_context(allow_offline=False)
                return [r.id, r.parent.id, r.experiment.name, r.experiment.workspace.name, Same is Run,
                        azureml.core.Run is Run, Run.get_context() is r, r.get_status()]
            """)
        self.assertEqual(rig.run()["body"].decode().splitlines(),
                         ["r1", "root1", "digits", "local", "True", "True", "True", "Running"])

    def test_offline(self):
        rig = self.rig("""
            from azureml.core import Run
            def run(batch):
                try: Run.get_context(allow_offline=False)
                except RuntimeError as error: return [error, Run.get_context().id[:10]]
            """)
        del rig.environment["AZUREML_RUN_ID"]
        self.assertEqual(rig.start().run()["body"].decode().splitlines(),
                         ["there is no run here: AZUREML_RUN_ID is not set", "OfflineRun"])

    def test_records(self):
        _, records, _ = self.records("""
            from azureml.core import Run
            Run.get_context().log("early", 1)
            def run(batch):
                r = Run.get_context()
                r.log("accuracy", 0.5, step=3); r.log("nan", float("nan")); r.log("big", 2 ** 60)
                r.log_list("list", (1, float("inf"))); r.log_row("row", "text", x=1, y="z")
                r.log_table("table", {"a": [1, 2]})
                r.tag("t", 5); r.tag("only"); r.add_properties({"p": 1}); r.log("object", object)
                r.parent.log("up", True)
                r.log("huge", "x" * 5000000)
                return [1]
            """)
        for made in records:
            self.assertRegex(made.pop("at"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        self.assertEqual(records[-1]["value"], "x" * 10000 + " ... (too large to be kept)")
        here = {"run": "r1", "miniBatch": 0, "try": 1}
        self.assertEqual(records[:-1], [
            {"run": "r1", "kind": "metric", "name": "early", "value": 1},
            dict(here, kind="metric", name="accuracy", value=0.5, step=3),
            dict(here, kind="metric", name="nan", value="nan"),
            dict(here, kind="metric", name="big", value=str(2 ** 60)),
            dict(here, kind="list", name="list", value=[1, "inf"]),
            dict(here, kind="row", name="row", value={"x": 1, "y": "z"}, description="text"),
            dict(here, kind="table", name="table", value={"a": [1, 2]}),
            dict(here, kind="tag", name="t", value="5"), dict(here, kind="tag", name="only", value=None),
            dict(here, kind="property", name="p", value="1"),
            dict(here, kind="metric", name="object", value="<class 'object'>"),
            dict(here, kind="metric", name="up", value=True, run="root1")])

    def test_what_was_recorded_can_be_read_back(self):
        _, _, body = self.records("""
            from azureml.core import Run
            def run(batch):
                r = Run.get_context()
                r.log("a", 1); r.log("b", 1); r.log("b", 2); r.log_row("r", x=1, y=2); r.log_row("r", x=3, y=4)
                r.log_list("l", [1, 2]); r.log_table("t", {"c": [5, 6]})
                r.tag("k", 1); r.tag("k", 2); r.add_properties({"p": "q"})
                with r.child_run("c") as child: child.log("a", 9)
                return [r.get_metrics(), r.get_metrics("a"), child.get_metrics(), r.get_tags(), r.tags, r.properties,
                        r.get_details()["runId"]]
            """)
        self.assertEqual(body.decode().splitlines(), [
            "{'a': 1, 'b': [1, 2], 'r': {'x': [1, 3], 'y': [2, 4]}, 'l': [1, 2], 't': {'c': [5, 6]}}", "{'a': 1}", "{'a': 9}",
            "{'k': '2'}", "{'k': '2'}", "{'p': 'q'}", "r1"])

    def test_each_write_is_there_at_once(self):
        rig, _, _ = self.records("""
            from azureml.core import Run
            def run(batch):
                Run.get_context().log("before", len(batch))
                if batch[0].endswith("kill"):
                    import os, signal
                    os.kill(os.getpid(), signal.SIGKILL)
                return batch
            """)
        rig.queue({"kind": "files", "root": "/", "files": ["kill"]})
        rig.rest()
        self.assertEqual([made["name"] for made in self.kept(rig)], ["before", "before"])

    def test_a_torn_line_harms_no_other(self):
        rig = self.rig("from azureml.core import Run\ndef run(b):\n    Run.get_context().log('m', 1)\n    return b\n")
        file = rig.write("runs/r1/records/10.1.2.3/Process-3.jsonl", '{"at":"2026-11-23T00:00:00.000000Z","kind":"met')
        rig.start().run()
        lines = rig.read(os.path.relpath(file, rig.folder)).decode().splitlines()
        self.assertEqual((len(lines), json.loads(lines[1])["name"]), (2, "m"))

    def test_a_full_disk_fails_no_mini_batch(self):
        rig = self.rig("""
            from azureml.core import Run
            def run(batch):
                for i in range(3): Run.get_context().log("m", i)
                return batch
            """)
        rig.environment["PARALLELRUN_RECORDS"] = "/dev/full"
        self.assertEqual(rig.start().run()["m"], "done")
        rig.stop()
        self.assertEqual(rig.stderr.count("PR2907"), 1)
        self.assertIn("No space left", rig.stderr)

    def test_more_than_is_kept_is_dropped_and_told(self):
        rig = self.rig("""
            import io
            from azureml.core import Run
            def run(batch):
                r = Run.get_context()
                with r.child_run("kid"):
                    for i in range(100): r.log("m", i)
                r.upload_file("small", io.BytesIO(b"x" * 90))
                r.upload_file("large", io.BytesIO(b"x" * 90))
                r.upload_file("small too", io.BytesIO(b"x" * 5))
                return [r.get_file_names()]
            """)
        rig.environment.update(PARALLELRUN_RECORD_BYTES_MAX="6000", PARALLELRUN_FILE_BYTES_MAX="100")
        self.assertEqual(rig.start().run()["body"], b"['small', 'small too']\n")
        rig.stop()
        records = [json.loads(line) for line in rig.read("runs/r1/records/10.1.2.3/Process-3.jsonl").splitlines()]
        kinds = [made["kind"] for made in records]
        # the end of the child is kept although metrics are dropped by then
        self.assertEqual((kinds[0], kinds.count("child-end")), ("child", 1))
        self.assertLess(kinds.count("metric"), 100)
        self.assertEqual([(made["name"], made["value"]) for made in records if made["kind"] == "dropped"],
                         [("records", "more than 6000 bytes"), ("files", "more than 100 bytes")])
        told = [line for line in rig.stderr.splitlines() if line.startswith("PR2912")]
        self.assertEqual(len(told), 2)
        self.assertIn("large and what else comes is dropped", told[1])

    def test_what_others_have_kept_counts_too(self):
        rig = self.rig("from azureml.core import Run\ndef run(b):\n    Run.get_context().log('m', 1)\n    return b\n")
        rig.write("runs/r1/records/10.1.2.4/Process-1.jsonl", " " * 5000)
        rig.environment["PARALLELRUN_RECORD_BYTES_MAX"] = "4000"
        self.assertEqual(rig.start().run()["m"], "done")
        rig.stop()
        self.assertIn('"kind": "dropped"', rig.read("runs/r1/records/10.1.2.3/Process-3.jsonl").decode())

    def test_start_logging_gives_a_child(self):
        _, records, _ = self.records("""
            from azureml.core import Experiment, Run
            def run(batch):
                run = Run.get_context()
                for child in (run.experiment.start_logging(display_name="one"), Run.start_logging(run.experiment, "two")):
                    child.log("m", 1); child.complete()
                return batch
            """)
        self.assertEqual([made["name"] for made in records if made["kind"] == "child"], ["one", "two"])
        self.assertEqual([made["kind"] for made in records], ["child"] * 2 + ["metric", "child-end"] * 2)

    def test_a_folder_that_cannot_be_made_fails_no_mini_batch(self):
        rig = self.rig("from azureml.core import Run\ndef run(b):\n    Run.get_context().log('m', 1)\n    return b\n")
        rig.write("file", "")
        rig.environment["PARALLELRUN_RECORDS"] = rig.path("file/below/Process-3.jsonl")
        self.assertEqual(rig.start().run()["m"], "done")

    def test_a_script_that_closes_all_descriptors_gets_no_records_into_its_files(self):
        rig, records, _ = self.records("""
            import os
            from azureml.core import Run
            def run(batch):
                r = Run.get_context()
                r.log("one", 1)
                mine = [fd for fd in map(int, os.listdir("/proc/self/fd")) if "Process-3.jsonl" in
                        (os.readlink("/proc/self/fd/%d" % fd) if os.path.exists("/proc/self/fd/%d" % fd) else "")]
                for fd in mine: os.close(fd)
                file = os.open("result", os.O_CREAT | os.O_WRONLY)
                assert [file] == mine
                os.write(file, b"data")
                r.log("two", 2)
                return [1]
            """)
        self.assertEqual([made["name"] for made in records], ["one", "two"])
        self.assertEqual(rig.read("work/result"), b"data")

    def test_files(self):
        rig, records, body = self.records("""
            import io, os
            from azureml.core import Run
            def run(batch):
                open("model.bin", "wb").write(b"model")
                os.makedirs("folder/sub"); open("folder/a", "w").write("a"); open("folder/sub/b", "w").write("b")
                r = Run.get_context()
                r.upload_file("model.bin", "model.bin")
                r.upload_file("outputs/sub/m.bin", path_or_stream=io.BytesIO(b"stream"))
                r.upload_file("text", io.StringIO("gr\u00fcn"))
                r.upload_folder("all", "folder")
                r.upload_files(["one", "two"], ["folder/a", "folder/sub/b"])
                for bad in ("../x", "/etc/x", "a/../../x", "", "a\\\\..\\\\..\\\\x", "a\\0b"):
                    try: r.upload_file(bad, "model.bin")
                    except ValueError as error: assert "PR2908" in str(error)
                    else: raise AssertionError(bad)
                try: r.upload_file("none", "not there")
                except FileNotFoundError: pass
                r.download_file("model.bin", "again/copy.bin"); r.download_file("all/sub/b")
                r.download_files("all/", "down")
                try: r.download_file("nothing")
                except Exception as error: text = str(error)
                return [open("again/copy.bin").read(), open("all/sub/b").read(), open("down/all/a").read(), text,
                        r.get_file_names()]
            """)
        names = ["all/a", "all/sub/b", "model.bin", "one", "outputs/sub/m.bin", "text", "two"]
        self.assertEqual(sorted(made["name"] for made in records), names)
        self.assertEqual({made["kind"] for made in records}, {"file"})
        self.assertEqual(records[0]["value"], 5)
        for name, content in (("model.bin", b"model"), ("outputs/sub/m.bin", b"stream"), ("text", "gr\u00fcn".encode())):
            self.assertEqual(rig.read("runs/r1/files/" + name), content)
        lines = body.decode().splitlines()
        self.assertEqual(lines[:3], ["model", "b", "a"])
        self.assertEqual(lines[3], "PR2909 the run r1 has no file 'nothing'; it has: " + ", ".join(names))
        self.assertEqual(lines[4], str(names))
        self.assertEqual([name for _, _, names in os.walk(rig.path("runs/r1/files")) for name in names if "tmp" in name], [])

    def test_two_uploads_of_one_name_never_mix(self):
        rig, records, _ = self.records("""
            import threading
            from azureml.core import Run
            def work(letter):
                open(letter, "w").write(letter * 300000)
                for _ in range(20): Run.get_context().upload_file("same", letter)
            def run(batch):
                threads = [threading.Thread(target=work, args=(letter,)) for letter in "ab"]
                for t in threads: t.start()
                for t in threads: t.join()
                return [1]
            """)
        self.assertEqual(len(records), 40)
        self.assertIn(rig.read("runs/r1/files/same"), (b"a" * 300000, b"b" * 300000))
        self.assertEqual(os.listdir(rig.path("runs/r1/files")), ["same"])

    def test_children(self):
        rig, records, body = self.records("""
            import pickle
            from azureml.core import Run
            def run(batch):
                r = Run.get_context()
                open("f", "w").write("f")
                with r.child_run("train") as child:
                    child.log("loss", 1)
                    child.upload_file("f", "f")
                    child.tag("t", "v")
                try:
                    with r.child_run("bad") as bad: raise ValueError("no")
                except ValueError: pass
                other = r.child_run(run_id="my-own.id"); other.cancel()
                plain = r.child_run(); plain.complete()
                grand = child.child_run("grand")
                r.parent.upload_file("p", "f")
                for id in ("../x", "a/b", "", ".hidden"):
                    try: r.child_run(run_id=id)
                    except ValueError as error: assert "PR2908" in str(error)
                    else: raise AssertionError(id)
                same = pickle.loads(pickle.dumps(child))
                return [child.get_status(), bad.get_status(), other.get_status(), child.parent is r, same.id == child.id,
                        len({child.id, bad.id, other.id, r.id}), grand.get_status(), [c.id.split("_")[0] for c in
                        r.create_children(2)], child.id]
            """)
        lines = body.decode().splitlines()
        child = lines.pop()
        self.assertEqual(lines, ["Completed", "Failed", "Canceled", "True", "True", "4", "Running", "['r1', 'r1']"])
        brief = [(made["kind"], made.get("name"), made.get("value"), made.get("state"), made.get("error"))
                 for made in records]
        self.assertEqual(brief[:7], [
            ("child", "train", "r1", None, None), ("metric", "loss", 1, None, None), ("file", "f", 1, None, None),
            ("tag", "t", "v", None, None), ("child-end", None, None, "Completed", None), ("child", "bad", "r1", None, None),
            ("child-end", None, None, "Failed", "ValueError: no")])
        self.assertEqual({made["run"] for made in records[:5]}, {child})
        self.assertEqual([made["run"] for made in records if made.get("state") == "Canceled"], ["my-own.id"])
        self.assertEqual([made["value"] for made in records if made.get("name") == "grand"], [child])
        self.assertEqual(rig.read("runs/r1/children/%s/files/f" % child), b"f")
        self.assertEqual(rig.read("runs/r1/parent/files/p"), b"f")

    def test_the_run_itself_is_not_ended_by_the_script(self):
        _, records, body = self.records("""
            from azureml.core import Run
            def run(batch):
                r = Run.get_context()
                with r: pass
                r.complete(); r.flush()
                texts = []
                for act in (lambda: r.fail("too bad"), r.cancel, lambda: r.log_image("i", "i.png"), lambda: r.get_secret("s"),
                            r.wait_for_completion):
                    try: act()
                    except NotImplementedError as error: texts.append(str(error))
                return texts + [r.get_status(), r.number, r.get_portal_url()]
            """)
        lines = body.decode().splitlines()
        self.assertEqual(records, [])
        self.assertIn("PR2906 Run.fail(too bad) needs the Azure service", lines[0])
        self.assertIn("raise an exception in run()", lines[0])
        self.assertIn("parallelrun cancel r1", lines[1])
        self.assertIn("upload_file(name, path)", lines[2])
        self.assertIn("environment variable", lines[3])
        self.assertIn("parallelrun status r1", lines[4])
        self.assertEqual(lines[5:7], ["Running", "1"])
        self.assertTrue(lines[7].startswith("file:///"))

    def test_from_threads(self):
        _, records, _ = self.records("""
            import threading
            from azureml.core import Run
            def work(n):
                for i in range(200): Run.get_context().log("m%d" % n, i)
            def run(batch):
                threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
                for t in threads: t.start()
                for t in threads: t.join()
                return [1]
            """)
        for number in range(4):
            self.assertEqual([m["value"] for m in records if m["name"] == "m%d" % number], list(range(200)))

    def test_children_of_the_process_write_files_of_their_own(self):
        for method in ("fork", "spawn"):
            with self.subTest(method):
                rig, records, body = self.records("""
                    import multiprocessing, os
                    from azureml.core import Run
                    def child(n):
                        Run.get_context().log("child", n)
                    def run(batch):
                        Run.get_context().log("parent", 1)
                        process = multiprocessing.get_context("%s").Process(target=child, args=(7,))
                        process.start(); process.join()
                        Run.get_context().log("parent", 2)
                        return [process.pid, process.exitcode, sorted(Run.get_context().get_metrics())]
                    """ % method)
                pid, code, names = body.decode().splitlines()
                self.assertEqual((code, names), ("0", "['child', 'parent']"))
                self.assertEqual([made["value"] for made in records], [1, 2])
                line = rig.read("runs/r1/records/10.1.2.3/Process-3.%s.jsonl" % pid)
                self.assertEqual(json.loads(line.decode())["value"], 7)

    def test_inputs(self):
        rig = self.rig("""
            import os
            from azureml.core import Dataset, Datastore, Run, Workspace
            from azureml.core.dataset import Dataset as Same
            from azureml.core.datastore import Datastore as SameStore
            def attempt(call):
                try: return call()
                except Exception as error: return "%s: %s" % (type(error).__name__, error)
            def run(batch):
                r = Run.get_context(); ws = r.experiment.workspace
                d = Dataset.get_by_name(ws, "lookup")
                with d.mount() as mount: point = mount.mount_point
                store = Datastore.get(ws, "lookup"); store.download("stored", prefix="sub")
                return [d, d.path, os.path.join(d, "a.csv"), d.name, d.to_path(), point, len(d.download()),
                        len(d.download("copied", overwrite=True)), sorted(os.listdir("copied")), r.input_datasets["lookup"] == d,
                        ws.datasets["lookup"], store.path("sub/b.txt"), os.listdir("stored/sub"), Same is Dataset,
                        SameStore is Datastore, Dataset.get_by_name(ws, "table").to_path(), os.fspath(d),
                        attempt(lambda: Dataset.get_by_name(ws, "lokup")), attempt(lambda: Datastore.get(ws, "nowhere")),
                        attempt(lambda: ws.get_default_datastore().upload("x")), attempt(lambda: d.filter),
                        attempt(lambda: Dataset.Tabular.from_delimited_files(None)),
                        attempt(lambda: ws.get_default_datastore().name), attempt(lambda: r.input_datasets["tabel"])]
            """)
        folder = os.path.dirname(rig.write("in/a.csv", "x,y\n1,2\n"))
        rig.write("in/sub/b.txt", "b")
        table = rig.write("t.csv", "x\n1\n")
        rig.environment["PARALLELRUN_INPUTS"] = json.dumps({"lookup": folder, "table": table})
        lines = rig.start().run()["body"].decode().splitlines()
        self.assertEqual(lines[:17], [
            folder, folder, folder + "/a.csv", "lookup", "['/a.csv', '/sub/b.txt']", folder, "2", "2", "['a.csv', 'sub']",
            "True", folder, folder + "/sub/b.txt", "['b.txt']", "True", "True", "['/t.csv']", folder])
        self.assertIn("NotFound: PR2910 there is no dataset 'lokup' here", lines[17])
        self.assertIn("did you mean 'lookup'?", lines[17])
        self.assertIn("PR2910 there is no datastore 'nowhere'", lines[18])
        self.assertIn("NotLocal: PR2906 Datastore.upload needs", lines[19])
        self.assertIn("AttributeError: PR2904 a dataset has no filter here", lines[20])
        self.assertIn("NotLocal: PR2906 Dataset.Tabular.from_delimited_files", lines[21])
        self.assertEqual(lines[22], "workspaceblobstore")
        self.assertIn("PR2910 there is no input 'tabel'", lines[23])
        self.assertIn("did you mean 'table'?", lines[23])

    def test_workspace_and_experiment(self):
        _, records, body = self.records("""
            from azureml.core import Experiment, Run, Workspace, Environment
            from azureml.core.workspace import Workspace as Same
            from azureml.core.experiment import Experiment as SameExperiment
            import azureml.core
            def run(batch):
                ws = Workspace.from_config()
                e = Experiment(ws, "other")
                child = e.start_logging(); child.log("x", 1); child.complete()
                named = Workspace.get(name="w", subscription_id="s", resource_group="g")
                return [ws.name, named.name, named.subscription_id, named.resource_group, e.name, e.workspace is ws,
                        Same is Workspace, SameExperiment is Experiment, azureml.core.model.Model is azureml.core.Model,
                        Environment("e").name, Workspace("s", "g", "n").name,
                        isinstance(Run.get_context().experiment.workspace, Workspace)]
            """)
        self.assertEqual(body.decode().splitlines(),
                         ["local", "w", "s", "g", "other", "True", "True", "True", "True", "e", "n", "True"])
        self.assertEqual([made["kind"] for made in records], ["child", "metric", "child-end"])

    def test_what_is_not_provided(self):
        rig = self.started("""
            def attempt(statement):
                try: exec(statement, {})
                except (ImportError, AttributeError) as error: return "%s: %s" % (type(error).__name__, error)
                return "fine"
            def run(batch):
                return [attempt(s) for s in (
                    "from azureml.core import Webservice", "from azureml.core.webservice import AciWebservice",
                    "import azureml.core; azureml.core.ScriptRunConfig", "import azureml.data",
                    "from azureml.core import Run; Run.get_context().get_snapshot()",
                    "from azureml.core import Run; Run.get_context().experiment.workspace.compute_targets",
                    "import azureml.core; assert not hasattr(azureml.core, '__wrapped__')",
                    "from azureml.core import Run; Run.list", "from azureml.core import Model; Model.profile",
                    "from azureml.core.run import ScriptRun", "from azureml.core import *; Workspace, Run, Model")]
            """)
        lines = rig.run()["body"].decode().splitlines()
        self.assertTrue(lines[0].startswith("ImportError: PR2904 azureml.core.Webservice is not part of"), lines[0])
        self.assertTrue(lines[1].startswith("ModuleNotFoundError: PR2904 azureml.core.webservice is not"), lines[1])
        self.assertTrue(lines[2].startswith("ImportError: PR2904 azureml.core.ScriptRunConfig is not"), lines[2])
        self.assertTrue(lines[3].startswith("ModuleNotFoundError: PR2904 azureml.data is not"), lines[3])
        self.assertTrue(lines[4].startswith("AttributeError: PR2904 Run.get_snapshot is not provided"), lines[4])
        self.assertIn("upload_file", lines[4])
        self.assertTrue(lines[5].startswith("AttributeError: PR2904 Workspace.compute_targets is not"), lines[5])
        self.assertEqual(lines[6], "fine")
        self.assertTrue(lines[7].startswith("AttributeError: PR2904 Run.list is not provided"), lines[7])
        self.assertTrue(lines[8].startswith("AttributeError: PR2904 Model.profile is not provided"), lines[8])
        self.assertTrue(lines[9].startswith("ImportError: PR2904 azureml.core.run.ScriptRun is not"), lines[9])
        self.assertEqual(lines[10], "fine")


class RealPackage(HostTest):
    """An `azureml` that is installed stays usable for what ours doesn't have; for what ours has, ours wins."""

    FILES = {
        "azureml/__init__.py": "raise RuntimeError('the real azureml/__init__ is not needed')\n",
        "azureml/core/__init__.py": "from azureml.core.model import Model\nfrom .run import Run as R\nfrom azureml.core import Run\n"
                                    "from azureml.core.webservice import Webservice\nVERSION = '1.2'\nSAME = R is Run\n"
                                    "MODEL = Model\n",
        "azureml/core/model.py": "class Model:\n    WHO = 'real'\nclass InferenceConfig: WHO = 'real config'\n",
        "azureml/core/run.py": "class Run: WHO = 'real'\nclass ScriptRun: WHO = 'real'\nEXTRA = 'extra'\n",
        "azureml/core/webservice/__init__.py": "class Webservice: WHO = 'real service'\n",
        "azureml/core/workspace.py": "class Workspace:\n    WHO = 'real workspace'\n"
                                     "    def __init__(self): raise RuntimeError('asks the service')\n",
        "azureml/data/__init__.py": "WHO = 'real data'\nfrom azureml.core import Datastore\n",
        "azureml/core/environment.py": "class Environment: WHO = 'real environment'\n",
        "azureml/exceptions.py": "class AzureMLException(Exception):\n"
                                 "    def __init__(self, message, **_): super().__init__(message)\n"
                                 "class WebserviceException(AzureMLException): pass\n"
                                 "class ModelNotFoundException(AzureMLException): pass\n"
                                 "class UserErrorException(AzureMLException): pass\n"
                                 "class RunEnvironmentException(AzureMLException): pass\n",
        "azureml_user/other.py": "WHO = 'real user'\n",
    }

    def lines(self, script, **environment):
        rig = self.rig(script)
        for name, text in self.FILES.items():
            rig.write("site/" + name, text)
        rig.environment["PYTHONPATH"] = rig.path("site")
        rig.environment.update(environment)
        end = rig.start().run()
        self.assertEqual(end["m"], "done", end)
        return end["body"].decode().splitlines()

    def test_names_of_both(self):
        self.assertEqual(self.lines("""
            import azureml.data, azureml_user.other
            from azureml.core import Run, Model, VERSION, SAME, MODEL, Workspace
            from azureml.core.model import Model as Same, InferenceConfig
            from azureml.core.run import EXTRA, ScriptRun
            from azureml.core.webservice import Webservice
            from azureml_user.parallel_run import EntryScript
            def attempt():
                try: from azureml.core import NotThere
                except ImportError as error: return "PR2904" in str(error)
            def run(batch):
                return [Run.get_context().id, hasattr(Model, "WHO"), Same is Model is MODEL, VERSION, SAME, EXTRA, ScriptRun.WHO,
                        azureml.data.WHO, azureml_user.other.WHO, attempt(), InferenceConfig.WHO, Webservice.WHO,
                        Workspace.from_config().name, azureml.data.Datastore.__module__]
            """), ["r1", "False", "True", "1.2", "True", "extra", "real", "real data", "real user", "True", "real config",
                   "real service", "local", "azureml.core.datastore"])

    def test_their_exceptions_where_the_script_catches_those(self):
        self.assertEqual(self.lines("""
            from azureml.core import Run, Model, Dataset
            from azureml.exceptions import WebserviceException, ModelNotFoundException, UserErrorException
            def caught(kind, call):
                try: call()
                except kind as error: return str(error)[:6]
            def run(batch):
                return [caught(WebserviceException, lambda: Model(None, "none")),
                        caught(ModelNotFoundException, lambda: Model.get_model_path("none")),
                        caught(UserErrorException, lambda: Dataset.get_by_name(None, "none"))]
            """), ["PR2911", "PR2911", "PR2910"])

    def test_their_environment_needs_no_service(self):
        self.assertEqual(self.lines("""
            import azureml.core
            from azureml.core import Environment
            from azureml.core.environment import Environment as Same
            def run(batch):
                return [Environment.WHO, Same is Environment, azureml.core.environment.Environment is Same]
            """), ["real environment", "True", "True"])

    def test_a_run_that_is_not_there_is_told_in_their_class(self):
        rig = self.rig("""
            import azureml.exceptions
            from azureml.core import Run
            def run(batch):
                try: Run.get_context(allow_offline=False)
                except azureml.exceptions.RunEnvironmentException as error: return [error]
            """)
        for name, text in self.FILES.items():
            rig.write("site/" + name, text)
        rig.environment["PYTHONPATH"] = rig.path("site")
        del rig.environment["AZUREML_RUN_ID"]
        self.assertEqual(rig.start().run()["body"], b"there is no run here: AZUREML_RUN_ID is not set\n")

    def test_children_of_a_script_find_what_it_finds(self):
        for method in ("fork", "spawn", "forkserver"):
            with self.subTest(method):
                self.assertEqual(self.lines("""
                    import multiprocessing, os
                    from azureml.core import Run
                    def child(queue):
                        from azureml.core import Run, Model, VERSION
                        Run.get_context().log("x", 1)
                        queue.put([Run.get_context().id, hasattr(Model, "WHO"), VERSION])
                    def run(batch):
                        context = multiprocessing.get_context("%s")
                        queue = context.Queue()
                        process = context.Process(target=child, args=(queue,))
                        process.start(); found = queue.get(timeout=20); process.join()
                        return found + [Run.get_context().get_metrics()]
                    """ % method), ["r1", "False", "1.2", "{'x': 1}"])

    def test_the_real_one_when_the_job_wants_it(self):
        self.assertEqual(self.lines("""
            import azureml.core
            from azureml.core import Run, Model, Workspace, Dataset
            from azureml.core.model import Model as Same
            def run(batch):
                r = Run.get_context()
                r.log("x", 1)
                open("m.pkl", "w").write("m")
                assert r.register_model("m", "m.pkl").id == "m:1"
                return [r.id, Model.WHO, Same is Model, Workspace.WHO, azureml.core.SAME, r.experiment.workspace.name,
                        Dataset.__module__, r.get_metrics()]
            """, PARALLELRUN_REAL_AZUREML="1"),
            ["r1", "real", "True", "real workspace", "True", "local", "azureml.core.dataset", "{'x': 1}"])

    def test_the_users_own_azureml_wins(self):
        rig = self.started("import azureml.core\ndef run(batch):\n    return [azureml.core.WHO]\n",
                           {"azureml/__init__.py": "", "azureml/core.py": "WHO = 'mine'\n"})
        self.assertEqual(rig.run()["body"], b"mine\n")


class Mlflow(HostTest):
    """The script's own mlflow finds its experiment, whoever is first."""

    def store(self, script="import mlflow", **environment):
        rig = self.rig(script + "\ndef run(batch):\n    return [mlflow.WHO]\n")
        rig.write("site/mlflow.py", "WHO = 'their own'\n")
        rig.environment.update({"PYTHONPATH": rig.path("site"), "MLFLOW_EXPERIMENT_NAME": "dig: its",
                                "MLFLOW_TRACKING_URI": "file://" + rig.path("runs/r1/mlflow")}, **environment)
        return rig

    def found(self, rig):
        folder = rig.path("runs/r1/mlflow")
        if not os.path.isdir(folder):
            return None
        return {name: rig.read("runs/r1/mlflow/%s/meta.yaml" % name).decode() for name in sorted(os.listdir(folder))}

    def test_the_experiment_is_there_before_mlflow_is(self):
        first = self.store("import os\nassert not os.path.exists(os.environ['PARALLELRUN_RUN_FOLDER'] + '/mlflow')\nimport mlflow")
        self.assertEqual(first.start().run()["body"], b"their own\n")
        found = self.found(first)
        self.assertEqual(len(found), 2)
        number = [one for one in found if one != "0"][0]
        self.assertRegex(number, r"^[0-9]{18}$")
        self.assertIn('name: "Default"\n', found["0"])
        self.assertIn('name: "dig: its"\n', found[number])
        self.assertIn('experiment_id: "%s"\n' % number, found[number])
        self.assertIn('artifact_location: "file://%s"\n' % first.path("runs/r1/mlflow/" + number), found[number])
        again = self.store()
        again.environment["PARALLELRUN_RUN_FOLDER"] = first.path("runs/r1")
        again.environment["MLFLOW_TRACKING_URI"] = first.environment["MLFLOW_TRACKING_URI"]
        again.start().run()
        self.assertEqual(self.found(first), found)
        self.assertIsNone(self.found(again))
        self.assertEqual(os.listdir(first.path("runs/r1")), ["mlflow"])

    def test_another_place_is_left_alone(self):
        for change in ({"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}, {"MLFLOW_TRACKING_URI": "file:///elsewhere"},
                       {"MLFLOW_EXPERIMENT_NAME": ""}):
            with self.subTest(change):
                rig = self.store(**change)
                self.assertEqual(rig.start().run()["body"], b"their own\n")
                self.assertIsNone(self.found(rig))

    def test_a_store_that_cannot_be_made_harms_nobody(self):
        rig = self.store()
        rig.write("runs/r1/mlflow", "a file")
        self.assertEqual(rig.start().run()["body"], b"their own\n")

    def test_scripts_without_mlflow_have_no_store(self):
        rig = self.rig("from azureml.core import Run\ndef run(batch):\n    return batch\n")
        rig.environment.update(MLFLOW_EXPERIMENT_NAME="e", MLFLOW_TRACKING_URI="file://" + rig.path("runs/r1/mlflow"))
        rig.start().run()
        self.assertIsNone(self.found(rig))


class OutsideOfARun(unittest.TestCase):
    """`python score.py` by hand."""

    def by_hand(self, code, **more):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("AZ", "PARALLELRUN"))}
        environment.update(PYTHONPATH=SHIMS, XDG_DATA_HOME=folder, **more)
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=environment, stdout=subprocess.PIPE,
                              check=True, cwd=folder)
        return done.stdout.decode().splitlines(), folder

    def test_it_prints_what_it_is_told(self):
        lines, folder = self.by_hand("""
            from azureml.core import Run
            from azureml.core.run import _OfflineRun
            r = Run.get_context()
            r.log("a", 1); r.log_row("b", x=2); r.tag("t", "v"); r.add_properties({"p": "q"})
            open("f", "w").write("content")
            r.upload_file("kept/f", "f")
            with r.child_run("c") as child: child.log("inner", 3)
            r.download_file("kept/f", "back")
            print(isinstance(r, _OfflineRun), r.id.startswith("OfflineRun_"), r.get_metrics(), r.get_tags(), r.parent,
                  r.get_file_names(), open("back").read(), child.get_status(), r.experiment.workspace.name)
            """)
        self.assertEqual([line.split("] ")[1] for line in lines[:-1]], [
            "metric a = 1", 'row of b = {"x": 2}', "tag t = v", "property p = q",
            "file kept/f = " + os.path.join(os.path.realpath(folder), "f"), "child c = " + lines[0][1:].split("]")[0],
            "metric inner = 3", "child-end  = Completed"])
        self.assertEqual(lines[-1], "True True {'a': 1, 'b': {'x': 2}} {'t': 'v'} None ['kept/f'] content Completed local")

    def test_helper_and_registry_work_there_too(self):
        lines, folder = self.by_hand("""
            from azureml.core import Model
            from entry_script import EntryScript
            open("m.pkl", "w").write("m")
            Model.register(None, "m.pkl", "m")
            print(EntryScript().agent_name, Model.get_model_path("m"))
            """)
        self.assertEqual(lines, ["MainProcess " + folder + "/parallelrun/models/m/1/files/m.pkl"])

    def test_without_leave_to_be_offline(self):
        lines, _ = self.by_hand("""
            from azureml.core import Run
            try: Run.get_context(allow_offline=False)
            except RuntimeError as error: print(error)
            """)
        self.assertEqual(lines, ["there is no run here: AZUREML_RUN_ID is not set"])
