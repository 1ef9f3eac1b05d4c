"""`azureml.core.Model`: where models are found, and how they get into the registry."""
import json
import os
import subprocess
import sys

from parallelrun_host.shim_finder import SHIMS

from .rig import HostTest

ATTEMPT = """
from azureml.core import Model, Run
from azureml.core.model import Model as Same
assert Model is Same
def attempt(call):
    try: return call()
    except Exception as error: return "%s: %s" % (type(error).__name__, error)
"""


class Models(HostTest):
    def prepared(self, body):
        rig = self.rig(ATTEMPT + "def run(batch):\n    return [%s]\n" % body)
        return rig

    def lines(self, rig):
        end = rig.start().run()
        self.assertEqual(end["m"], "done", end)
        return end["body"].decode().splitlines()

    def version(self, rig, name, version, files=("model.pkl",), **facts):
        for file in files:
            rig.write("registry/%s/%s/files/%s" % (name, version, file), "%s %s" % (name, version))
        rig.write("registry/%s/%s/model.json" % (name, version), json.dumps(dict({"format": 1}, **facts)))
        return rig.path("registry/%s/%s/files" % (name, version))

    def test_of_the_registry(self):
        rig = self.prepared("Model.get_model_path('m'), Model.get_model_path('m', 2), Model.get_model_path('m', version='9'),"
                            "Model.get_model_path('folder'), Model.get_model_path('several'),"
                            "attempt(lambda: Model.get_model_path('m', 3)), attempt(lambda: Model.get_model_path('foldr')),"
                            "attempt(lambda: Model.get_model_path('../m')), attempt(lambda: Model.get_model_path('zzz'))")
        for number in (2, 9, 10):
            self.version(rig, "m", number)
        rig.write("registry/m/11/files/model.pkl", "of a copy that is going on: no model.json")
        rig.write("registry/m/latest/model.json", "{}")
        folder = self.version(rig, "folder", 1, ["net/a", "net/b"])
        several = self.version(rig, "several", 1, ["a", "b"])
        lines = self.lines(rig)
        base = rig.path("registry/m/%d/files/model.pkl")
        self.assertEqual(lines[:5], [base % 10, base % 2, base % 9, folder + "/net", several])
        self.assertIn("NotFound: PR2911 there is no version 3 of the model 'm'; there are the versions 2, 9, 10", lines[5])
        self.assertIn("PR2911 there is no model 'foldr'; did you mean folder?", lines[6])
        self.assertIn("PR2911 there is no model '../m'", lines[7])
        self.assertIn("there are: folder, m, several", lines[8])
        self.assertIn("parallelrun models add zzz PATH", lines[8])

    def test_of_the_job_first(self):
        rig = self.prepared("Model.get_model_path('m'), Model.get_model_path('m', 1), Model.get_model_path('m', 2),"
                            "Model(None, 'm').version, Model(None, 'm').tags, Model.get_model_path('local'), Model.get_model_path("
                            "'local', 7), [m.name for m in Model.list(None)]")
        files = self.version(rig, "m", 1, tags={"a": "b"})
        self.version(rig, "m", 2)
        local = rig.write("somewhere/local.pkl", "x")
        rig.environment["PARALLELRUN_JOB_MODELS"] = json.dumps({
            "m": {"path": files + "/model.pkl", "version": "1"}, "local": {"path": local}})
        self.assertEqual(self.lines(rig), [
            files + "/model.pkl", files + "/model.pkl", rig.path("registry/m/2/files/model.pkl"), "1", "{'a': 'b'}", local,
            local, "['m', 'm', 'local']"])

    def test_below_the_model_folder_of_one_and_of_several(self):
        for files, folder, expected in (
            (["mm/one/3/m.pkl"], "mm/one/3", {"one": "mm/one/3/m.pkl", "m.pkl": "mm/one/3/m.pkl"}),
            (["mm/one/3/m.pkl", "mm/one/12/m.pkl", "mm/two/1/net/a"], "mm",
             {"one": "mm/one/12/m.pkl", "two": "mm/two/1/net"}),
        ):
            with self.subTest(folder):
                rig = self.prepared(", ".join("Model.get_model_path(%r)" % name for name in expected)
                                    + ", Model.get_model_path('one', 3), attempt(lambda: Model.get_model_path('../one'))")
                for file in files:
                    rig.write(file, "x")
                rig.environment["AZUREML_MODEL_DIR"] = rig.path(folder)
                lines = self.lines(rig)
                self.assertEqual(lines[:-1], [rig.path(path) for path in expected.values()] + [rig.path("mm/one/3/m.pkl")])
                self.assertIn("PR2911", lines[-1])

    def test_in_the_working_folder_at_last(self):
        rig = self.prepared("Model.get_model_path('cached'), Model.get_model_path('own.pkl')")
        rig.write("work/azureml-models/cached/4/m.pkl", "x")
        rig.write("work/own.pkl", "x")
        self.assertEqual(self.lines(rig), [rig.path("work/azureml-models/cached/4/m.pkl"), rig.path("work/own.pkl")])

    def test_list(self):
        rig = self.prepared(
            "[(m.name, m.version, m.id) for m in Model.list(None)], [m.id for m in Model.list(None, latest=True)],"
            "[m.id for m in Model.list(None, name='a')], [m.id for m in Model.list(None, tags=['area'])],"
            "[m.id for m in Model.list(None, tags=[['area', 'x']])], [m.id for m in Model.list(None, tags={'area': 'y'})],"
            "[m.id for m in Model.list(None, properties=[['p', '1']])], Model.list(None)[0].created_time.isoformat(),"
            "sorted(Run.get_context().experiment.workspace.models), Model(None, id='a:1').id, Model(None, 'a', version=2).id,"
            "Model(None, 'a', tags=['area']).id, attempt(lambda: Model(None, 'a', tags=['none'])), attempt(lambda: Model(None))")
        self.version(rig, "a", 1, created="2026-01-01T00:00:00Z", tags={"area": "x"}, properties={"p": "1"})
        self.version(rig, "a", 2, created="2026-01-03T00:00:00Z")
        self.version(rig, "b", 1, created="2026-01-02T00:00:00Z", tags={"area": "y"})
        lines = self.lines(rig)
        self.assertEqual(lines[:12], [
            "[('a', 2, 'a:2'), ('b', 1, 'b:1'), ('a', 1, 'a:1')]", "['a:2', 'b:1']", "['a:2', 'a:1']", "['b:1', 'a:1']",
            "['a:1']", "['b:1']", "['a:1']", "2026-01-03T00:00:00+00:00", "['a', 'b']", "a:1", "a:2", "a:1"])
        self.assertIn("PR2911", lines[12])
        self.assertIn("PR2911 Model(): a name or an id", lines[13])

    def test_a_registry_that_is_damaged_is_read_as_far_as_it_goes(self):
        rig = self.prepared("[m.id for m in Model.list(None)], Model(None, 'm').tags")
        self.version(rig, "m", 1)
        rig.write("registry/m/1/model.json", "{ torn")
        rig.write("registry/a file", "x")
        self.assertEqual(self.lines(rig), ["['m:1']", "{}"])

    def test_register_and_download(self):
        rig = self.rig(ATTEMPT + """
import os
def run(batch):
    ws = Run.get_context().experiment.workspace
    open("m.pkl", "w").write("first")
    os.makedirs("net/sub"); open("net/sub/w", "w").write("weights")
    one = Model.register(ws, model_path="m.pkl", model_name="digits", tags={"k": 1}, description="d", properties={"p": 2})
    two = Model.register(workspace=ws, model_path="net", model_name="digits")
    again = Model(ws, "digits", version=1)
    os.makedirs("down")
    got = again.download(target_dir="down")
    text = attempt(lambda: again.download("down"))
    again.download("down", exist_ok=True)
    two.download("down"); two.download("down", exist_ok=True)
    return [one.id, two.id, again.tags, again.description, again.properties, again.run_id, open(got).read(), got, text,
            open("down/net/sub/w").read(), two.name, open(Model.get_model_path("digits", 1)).read(),
            attempt(lambda: Model.register(ws, "nowhere", "digits")), attempt(lambda: Model.register(ws, "m.pkl", "../x")),
            attempt(lambda: again.delete())]
""")
        lines = self.lines(rig)
        self.assertEqual(lines[:8], ["digits:1", "digits:2", "{'k': '1'}", "d", "{'p': '2'}", "r1", "first", "down/m.pkl"])
        self.assertIn("PR2909", lines[8])
        self.assertEqual(lines[9:12], ["weights", "digits", "first"])
        self.assertIn("PR2909 there is no", lines[12])
        self.assertIn("PR2908 '../x' is no name for a model", lines[13])
        self.assertIn("PR2906 Model.delete", lines[14])
        self.assertEqual(sorted(os.listdir(rig.path("registry/digits"))), ["1", "2"])
        facts = json.loads(rig.read("registry/digits/1/model.json").decode())
        self.assertRegex(facts.pop("created"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(facts, {"format": 1, "description": "d", "tags": {"k": "1"}, "properties": {"p": "2"}, "run": "r1"})
        kept = [json.loads(line) for line in rig.read("runs/r1/records/10.1.2.3/Process-3.jsonl").splitlines()]
        self.assertEqual([(one["kind"], one["name"], one["value"]) for one in kept],
                         [("model", "digits", 1), ("model", "digits", 2)])

    def test_register_of_a_run_and_its_children(self):
        rig = self.rig(ATTEMPT + """
import os
def run(batch):
    r = Run.get_context()
    open("f", "w").write("uploaded"); os.makedirs("outputs"); open("outputs/g", "w").write("local")
    with r.child_run("c") as child:
        child.upload_file("outputs/m.pkl", "f")
        one = child.register_model("m", model_path="outputs/m.pkl", tags={"a": "b"})
    two = r.register_model("g", "outputs/g")
    return [one.id, open(Model.get_model_path("m")).read(), Model.get_model_path("m").endswith("files/m.pkl"), one.run_id == child.id,
            open(Model.get_model_path("g")).read(), attempt(lambda: r.register_model("n", "outputs/none")), one.tags]
""")
        lines = self.lines(rig)
        self.assertEqual(lines[:5], ["m:1", "uploaded", "True", "True", "local"])
        self.assertIn("PR2909 register_model: there is no 'outputs/none'", lines[5])
        self.assertEqual(lines[6], "{'a': 'b'}")

    def test_two_at_once_give_two_versions(self):
        rig = self.rig("")
        file = rig.write("m.pkl", "x")
        environment = dict(os.environ, PYTHONPATH=SHIMS, PARALLELRUN_MODELS=rig.path("registry"))
        code = "import _parallelrun_models as m\nfor _ in range(10): m.add('m', %r)" % file
        processes = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(4)]
        self.assertEqual([process.wait() for process in processes], [0] * 4)
        self.assertEqual(sorted(os.listdir(rig.path("registry/m")), key=int), [str(n) for n in range(1, 41)])
        for number in range(1, 41):
            self.assertEqual(rig.read("registry/m/%d/files/m.pkl" % number), b"x")
