"""The stand-ins of the Azure SDK and the helper classes, the seed's own included."""
import json
import os
import re
import unittest

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
    def records(self, script, **files):
        rig = self.started(script)
        rig.queue({"kind": "files", "root": "/", "files": ["a"]})
        messages = []
        while not messages or messages[-1]["m"] not in ("done", "failed"):
            messages.append(rig.next())
        self.assertEqual(messages[-1]["m"], "done", messages[-1])
        return rig, [(m["what"], m["name"], m["value"]) for m in messages if m["m"] == "record"], messages[-1]["body"]

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
            def run(batch):
                r = Run.get_context()
                r.log("accuracy", 0.5); r.log("nan", float("nan")); r.log("big", 2 ** 60)
                r.log_list("list", (1, float("inf"))); r.log_row("row", "text", x=1, y="z")
                r.tag("t", 5); r.tag("only"); r.add_properties({"p": 1}); r.log("object", object)
                r.log("huge", "x" * 5000000)
                return [1]
            """)
        self.assertEqual(records[:9], [
            ("metric", "accuracy", 0.5), ("metric", "nan", "nan"), ("metric", "big", str(2 ** 60)),
            ("metric", "list", [1, "inf"]), ("metric", "row", {"x": 1, "y": "z"}), ("tag", "t", "5"), ("tag", "only", None),
            ("property", "p", "1"), ("metric", "object", "<class 'object'>")])
        self.assertEqual(records[9][2], "x" * 10000 + " ... (too large to be kept)")

    def test_files(self):
        rig, records, _ = self.records("""
            import io
            from azureml.core import Run
            def run(batch):
                open("model.bin", "wb").write(b"model")
                r = Run.get_context()
                r.upload_file("model.bin", "model.bin")
                r.upload_file("outputs/sub/m.bin", path_or_stream=io.BytesIO(b"stream"))
                for bad in ("../x", "/etc/x", "a/../../x", "", "a\\0b"):
                    try: r.upload_file(bad, "model.bin")
                    except ValueError: pass
                    else: raise AssertionError(bad)
                return [1]
            """)
        self.assertEqual(records, [("file", "model.bin", "outputs/model.bin"), ("file", "outputs/sub/m.bin", "outputs/sub/m.bin")])
        self.assertEqual((rig.read("runs/r1/outputs/model.bin"), rig.read("runs/r1/outputs/sub/m.bin")), (b"model", b"stream"))
        self.assertEqual(sorted(os.listdir(rig.path("runs/r1/outputs"))), ["model.bin", "sub"])

    def test_children(self):
        rig, records, body = self.records("""
            from azureml.core import Run
            def run(batch):
                r = Run.get_context()
                open("f", "w").write("f")
                with r.child_run("train") as child:
                    child.log("loss", 1)
                    child.upload_file("f", "f")
                try:
                    with r.child_run("bad") as bad: raise ValueError("no")
                except ValueError: pass
                other = r.child_run(); other.fail()
                try: child.register_model("m", "f")
                except NotImplementedError as error: text = str(error)
                return [child.get_status(), bad.get_status(), other.get_status(), child.parent is r,
                        len({child.id, bad.id, other.id, r.id}), "PR2904" in text]
            """)
        self.assertEqual(body, b"Completed\nFailed\nFailed\nTrue\n4\nTrue\n")
        self.assertEqual(records[:5], [
            ("metric", "train/loss", 1), ("file", "train/f", "outputs/train/f"), ("property", "train/status", "Completed"),
            ("property", "bad/error", "ValueError: no"), ("property", "bad/status", "Failed")])
        self.assertEqual(rig.read("runs/r1/outputs/train/f"), b"f")

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
            self.assertEqual([value for _, name, value in records if name == "m%d" % number], list(range(200)))

    def test_in_a_forked_child_nothing_breaks(self):
        rig, records, body = self.records("""
            import os
            from azureml.core import Run
            def run(batch):
                pid = os.fork()
                if pid == 0:
                    Run.get_context().log("child", 1)
                    os._exit(0)
                return [os.waitpid(pid, 0)[1]]
            """)
        self.assertEqual((records, body), ([], b"0\n"))

    def test_what_is_not_provided(self):
        rig = self.started("""
            def attempt(statement):
                try: exec(statement, {})
                except (ImportError, AttributeError) as error: return "%s: %s" % (type(error).__name__, error)
                return "fine"
            def run(batch):
                return [attempt(s) for s in (
                    "from azureml.core import Model", "from azureml.core.model import Model",
                    "import azureml.core; azureml.core.Workspace", "import azureml.data",
                    "from azureml.core import Run; Run.get_context().get_details()",
                    "from azureml.core import Run; Run.get_context().experiment.workspace.datasets",
                    "import azureml.core; assert not hasattr(azureml.core, '__wrapped__')")]
            """)
        lines = rig.run()["body"].decode().splitlines()
        self.assertTrue(lines[0].startswith("ImportError: PR2904 azureml.core.Model is not part of"), lines[0])
        self.assertTrue(lines[1].startswith("ModuleNotFoundError: PR2904 azureml.core.model is not"), lines[1])
        self.assertTrue(lines[2].startswith("ImportError: PR2904 azureml.core.Workspace is not"), lines[2])
        self.assertTrue(lines[3].startswith("ModuleNotFoundError: PR2904 azureml.data is not"), lines[3])
        self.assertTrue(lines[4].startswith("AttributeError: PR2904 Run.get_details is not provided"), lines[4])
        self.assertTrue(lines[5].startswith("AttributeError: PR2904 there is no Workspace.datasets"), lines[5])
        self.assertEqual(lines[6], "fine")


class RealPackage(HostTest):
    """An `azureml` that is installed stays usable for what ours doesn't have."""

    FILES = {
        "azureml/__init__.py": "raise RuntimeError('the real azureml/__init__ is not needed')\n",
        "azureml/core/__init__.py": "from azureml.core.model import Model\nfrom .run import Run as R\nfrom azureml.core import Run\n"
                                    "VERSION = '1.2'\nSAME = R is Run\n",
        "azureml/core/model.py": "class Model:\n    WHO = 'real'\n",
        "azureml/core/run.py": "class Run: WHO = 'real'\nclass _OfflineRun: WHO = 'real'\nEXTRA = 'extra'\n",
        "azureml/data/__init__.py": "WHO = 'real data'\n",
        "azureml_user/other.py": "WHO = 'real user'\n",
    }

    def test_names_of_both(self):
        rig = self.rig("""
            import azureml.data, azureml_user.other
            from azureml.core import Run, Model, VERSION, SAME
            from azureml.core.model import Model as Same
            from azureml.core.run import EXTRA
            from azureml_user.parallel_run import EntryScript
            def attempt():
                try: from azureml.core import NotThere
                except ImportError as error: return "PR2904" in str(error)
            def run(batch):
                return [Run.get_context().id, Model.WHO, Same is Model, VERSION, SAME, EXTRA, azureml.data.WHO,
                        azureml_user.other.WHO, attempt()]
            """)
        for name, text in self.FILES.items():
            rig.write("site/" + name, text)
        rig.environment["PYTHONPATH"] = rig.path("site")
        self.assertEqual(rig.start().run()["body"].decode().splitlines(),
                         ["r1", "real", "True", "1.2", "True", "extra", "real data", "real user", "True"])

    def test_the_users_own_azureml_wins(self):
        rig = self.started("import azureml.core\ndef run(batch):\n    return [azureml.core.WHO]\n",
                           {"azureml/__init__.py": "", "azureml/core.py": "WHO = 'mine'\n"})
        self.assertEqual(rig.run()["body"], b"mine\n")


class OutsideOfARun(unittest.TestCase):
    def test_shims_work_without_a_host(self):
        import subprocess
        import sys

        from parallelrun_host.shim_finder import SHIMS

        code = ("from azureml.core import Run\nr = Run.get_context()\nr.log('a', 1)\n"
                "from entry_script import EntryScript\nimport json\nprint(json.dumps([r.id[:10], EntryScript().agent_name]))\n")
        environment = {key: value for key, value in os.environ.items() if not key.startswith("AZ")}
        environment["PYTHONPATH"] = SHIMS
        done = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, check=True)
        self.assertEqual(json.loads(done.stdout.decode()), ["OfflineRun", "MainProcess"])
