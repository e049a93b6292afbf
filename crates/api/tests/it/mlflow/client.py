"""What people's programs do, with MLflow's own client and nothing else. Says `done` at the end."""

import os
import tempfile

import mlflow
import pandas
from mlflow import MlflowClient
from sklearn.linear_model import LinearRegression

assert mlflow.__version__.startswith("3."), mlflow.__version__
client = MlflowClient()

mlflow.set_experiment("Trees")
with mlflow.start_run(run_name="first", tags={"team": "a"}, description="a note") as run:
    mlflow.log_param("depth", 3)
    mlflow.log_params({"kind": "tree", "lr": 0.1})
    for step in range(5):
        mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
    mlflow.log_metrics({"accuracy": 0.9, "odd": float("nan"), "top": float("inf")})
    mlflow.set_tags({"stage": "dev", "note": "x"})
    mlflow.delete_tag("note")
    mlflow.log_text("hello", "notes/hello.txt")
    mlflow.log_dict({"a": [1, 2]}, "config.json")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("one.txt", "two.txt"):
            with open(os.path.join(folder, name), "w") as file:
                file.write(name)
        mlflow.log_artifacts(folder, "many")
first = run.info.run_id

with mlflow.start_run(run_name="parent") as parent:
    with mlflow.start_run(run_name="child", nested=True) as child:
        mlflow.log_metric("loss", 5.0)
try:
    with mlflow.start_run(run_name="broken"):
        raise ValueError("as planned")
except ValueError:
    pass
with mlflow.start_run(run_id=first):
    mlflow.log_metric("late", 1.0)

# What was logged is there.
shown = client.get_run(first)
assert shown.info.status == "FINISHED" and shown.info.run_name == "first", shown.info
assert shown.data.params == {"depth": "3", "kind": "tree", "lr": "0.1"}, shown.data.params
assert shown.data.metrics["loss"] == 0.2 and shown.data.metrics["top"] == float("inf"), shown.data.metrics
assert shown.data.metrics["odd"] != shown.data.metrics["odd"]
assert shown.data.tags["team"] == "a" and "note" not in shown.data.tags, shown.data.tags
assert shown.data.tags["gristmill.holdout"] == "unsealed"
assert [point.value for point in client.get_metric_history(first, "loss")] == [1.0, 0.5, 1 / 3, 0.25, 0.2]
assert sorted(file.path for file in client.list_artifacts(first)) == ["config.json", "many", "notes"]
assert [file.path for file in client.list_artifacts(first, "many")] == ["many/one.txt", "many/two.txt"]
assert mlflow.artifacts.load_text(f"runs:/{first}/notes/hello.txt") == "hello"
assert mlflow.artifacts.load_dict(f"runs:/{first}/config.json") == {"a": [1, 2]}
folder = mlflow.artifacts.download_artifacts(run_id=first, artifact_path="many")
assert sorted(os.listdir(folder)) == ["one.txt", "two.txt"]
assert client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == parent.info.run_id

# It is found.
def names(**search):
    return [run.info.run_name for run in mlflow.search_runs(output_format="list", **search)]


assert names(filter_string="metrics.loss < 1 and params.kind = 'tree'") == ["first"]
assert names(filter_string="attributes.status = 'FAILED'") == ["broken"]
assert names(order_by=["metrics.loss DESC"])[:2] == ["child", "first"]
assert names(experiment_names=["Trees"], filter_string="tags.team = 'a'") == ["first"]
page = client.search_runs([run.info.experiment_id], max_results=2)
rest = client.search_runs([run.info.experiment_id], max_results=2, page_token=page.token)
assert len({one.info.run_id for one in page} | {one.info.run_id for one in rest}) == 4
client.delete_run(child.info.run_id)
assert "child" not in names()
client.restore_run(child.info.run_id)
assert "child" in names()
client.set_terminated(parent.info.run_id, "KILLED")
client.update_run(parent.info.run_id, name="mother")
assert client.get_run(parent.info.run_id).info.run_name == "mother"

# Experiments.
other = client.create_experiment("Other", tags={"team": "b"})
client.set_experiment_tag(other, "k", "v")
assert client.get_experiment(other).tags["k"] == "v"
client.rename_experiment(other, "Another")
assert [one.name for one in client.search_experiments(filter_string="name LIKE 'Ano%'")] == ["Another"]
client.delete_experiment(other)
assert client.get_experiment(other).lifecycle_stage == "deleted"
client.restore_experiment(other)

# The registry.
client.create_registered_model("Churn", tags={"a": "1"}, description="who leaves")
for number in range(3):
    client.create_model_version("Churn", f"runs:/{first}/many", run_id=first)
client.set_registered_model_alias("Churn", "champion", "2")
assert client.get_model_version_by_alias("Churn", "champion").version == "2"
assert client.get_registered_model("Churn").aliases == {"champion": "2"}
client.transition_model_version_stage("Churn", "1", "Production")
assert client.get_latest_versions("Churn", ["Production"])[0].version == "1"
client.set_model_version_tag("Churn", "3", "k", "v")
client.update_model_version("Churn", "3", description="best")
assert [one.version for one in client.search_model_versions("tags.k = 'v'")] == ["3"]
assert [one.name for one in client.search_registered_models("name ILIKE 'ch%'", order_by=["name DESC"])] == ["Churn"]
client.delete_model_version_tag("Churn", "3", "k")
client.delete_model_version("Churn", "3")
client.delete_registered_model_alias("Churn", "champion")
client.set_registered_model_tag("Churn", "x", "y")
client.delete_registered_model_tag("Churn", "x")
client.update_registered_model("Churn", description="d")
client.rename_registered_model("Churn", "Leave")
assert client.get_model_version_download_uri("Leave", "1") == f"runs:/{first}/many"
client.delete_registered_model("Leave")

# Logged models, as MLflow 3 has them.
with mlflow.start_run(run_name="maker") as maker:
    model = mlflow.initialize_logged_model(name="net", params={"depth": "3"}, model_type="net")
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "weights.bin"), "wb") as file:
            file.write(b"w" * 100)
        client.log_model_artifacts(model.model_id, folder)
    mlflow.finalize_logged_model(model.model_id, "READY")
    mlflow.log_metric("loss", 0.5, model_id=model.model_id)
found = mlflow.get_logged_model(model.model_id)
assert found.status == "READY" and found.params == {"depth": "3"} and found.source_run_id == maker.info.run_id, found
client.set_logged_model_tags(model.model_id, {"k": "v"})
assert [one.name for one in mlflow.search_logged_models(filter_string="tags.k = 'v'", output_format="list")] == ["net"]
client.delete_logged_model_tag(model.model_id, "k")
assert [file.path for file in client.list_logged_model_artifacts(model.model_id)] == ["weights.bin"]
assert os.path.getsize(mlflow.artifacts.download_artifacts(f"{found.artifact_location}/weights.bin")) == 100
client.delete_logged_model(model.model_id)

# A model of a library, as everybody logs one.
frame = pandas.DataFrame({"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]})
with mlflow.start_run(run_name="line"):
    mlflow.log_input(mlflow.data.from_pandas(frame, name="points"), context="training")
    line = mlflow.sklearn.log_model(
        LinearRegression().fit(frame[["x"]], frame["y"]), name="line", registered_model_name="Line", serialization_format="pickle"
    )
read = mlflow.search_runs(filter_string="run_name = 'line'", output_format="list")[0]
assert read.inputs.dataset_inputs[0].dataset.name == "points"
assert read.outputs.model_outputs[0].model_id == line.model_id
for uri in (line.model_uri, "models:/Line/1", f"runs:/{read.info.run_id}/line"):
    loaded = mlflow.pyfunc.load_model(uri)
    assert abs(loaded.predict(pandas.DataFrame({"x": [5.0]}))[0] - 10.0) < 1e-6, uri

print("done")
