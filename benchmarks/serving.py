"""What an answer of the endpoint costs, beside an empty endpoint of the same schema and beside MLflow's server.

    apt-get install wrk
    uv venv /tmp/mlflow && uv pip install --python /tmp/mlflow mlflow 'pandas<3' onnx onnxruntime
    .venv/bin/python -m benchmarks.serving /tmp/mlflow/bin/python

The empty endpoint reads the same rows with the same schema and answers a constant: what FastAPI itself costs. MLflow
serves the same ONNX file in an environment of its own and is given the features, ready made. All answer on loopback,
one process each, one after the other, single rows from wrk on the same machine. Without the argument MLflow is left
out.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from stack.local_stack import ROOT, clean_environment, free_port, make_workspace, stop

CONNECTIONS, SECONDS, ROUNDS, BODIES = (1, 16, 64), 5, 3, 2_000
SCRIPT = """
local bodies = {}
for line in io.lines("%s") do bodies[#bodies + 1] = line end
local n = 0
request = function()
  n = n %% #bodies + 1
  return wrk.format("POST", "%s", {["Content-Type"] = "application/json"}, bodies[n])
end
done = function(summary, latency) io.write("errors " .. summary.errors.status .. "\\n") end
"""


def main() -> None:
    """Measure in a workspace of its own."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = make_workspace(Path(folder) / "workspace")
        environment = clean_environment(workspace, PARAMS_TUNING__N_TRIALS="1", POLARS_MAX_THREADS="1")
        command = [sys.executable, "-m", "flows.cli", "train", "--as-of", "2013-12-01"]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
        os.environ.update(environment)
        features = write_bodies(Path(folder))
        own = [sys.executable, "-m", "serving", "--model", "late-arrivals", "--port"]
        empty = [sys.executable, "-m", "benchmarks.serving", "empty"]
        found = {"empty endpoint": measure(empty, "/predict", Path(folder) / "rows", environment)}
        found["ours"] = measure(own, "/predict", Path(folder) / "rows", environment)
        found["ours, fsync"] = measure(
            own, "/predict", Path(folder) / "rows", environment | {"PARAMS_SERVE__FSYNC": "true"}
        )
        if len(sys.argv) > 1:
            served = [*prepare_mlflow(sys.argv[1], Path(folder)), "--port"]
            found["mlflow models serve"] = measure(served, "/invocations", features, environment, "/ping")
    show(found)


def write_bodies(folder: Path) -> Path:
    """Rows to ask for, and their features as MLflow takes them, a line each; returns the file of the latter."""
    import polars as pl

    from serving.held import load_index
    from tasks.core.handover import ServingContext
    from tasks.core.use_case import load_use_case

    use_case = load_use_case("late-arrivals")
    context = ServingContext.read("late-arrivals")
    assert context is not None
    index = load_index(use_case, context)
    near = use_case.event_time > context.start
    rows = index.frames["flights"].filter(near).drop(use_case.predicted.outcomes).sample(BODIES, seed=0)
    features = use_case.build_features(rows, index).to_dicts()
    texts = rows.with_columns(pl.selectors.temporal().dt.to_string("iso:strict")).to_dicts()
    (folder / "rows").write_text("".join(json.dumps(row) + "\n" for row in texts))
    split = ({"dataframe_split": {"columns": list(row), "data": [list(row.values())]}} for row in features)
    (folder / "features").write_text("".join(json.dumps(row) + "\n" for row in split))
    return folder / "features"


def prepare_mlflow(python: str, folder: Path) -> list[str]:
    """The champion as a model of MLflow; returns the command that serves it."""
    from tasks.core.handover import ServedChampion
    from tasks.core.store import store

    champion = ServedChampion.read("late-arrivals")
    assert champion is not None
    version = champion.champion
    (folder / "model.onnx").write_bytes(
        store().read(f"bundles/{version.bundle}/model.onnx", version.digests["model.onnx"])
    )
    (folder / "save.py").write_text(MLFLOW)
    subprocess.run([python, "save.py"], cwd=folder, check=True, capture_output=True)
    command = [python, "-m", "mlflow", "models", "serve", "-m", str(folder / "saved"), "--env-manager", "local"]
    return [*command, "--workers", "1"]


MLFLOW = """
import mlflow, numpy, onnxruntime
class Model(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(context.artifacts["model"], options)
    def predict(self, context, rows):
        feed = {}
        for given in self.session.get_inputs():
            kind = object if given.type == "tensor(string)" else numpy.float32
            feed[given.name] = rows[given.name].to_numpy().astype(kind).reshape(-1, 1)
        return self.session.run([self.session.get_outputs()[-1].name], feed)[0][:, -1]
mlflow.pyfunc.save_model("saved", python_model=Model(), artifacts={"model": "model.onnx"})
"""


@contextmanager
def running(command: list[str], environment: dict[str, str], ready: str) -> Generator[tuple[int, float]]:
    """A server on a free port; yields the port, and the seconds until it was ready."""
    port, begun = free_port(), time.monotonic()
    log = Path(environment["WORKSPACE"]).parent / "server.log"
    path = f"{Path(command[0]).parent}{os.pathsep}{environment['PATH']}"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, str(port)], cwd=ROOT, env=environment | {"PATH": path}, stdout=output, stderr=output
        )
    try:
        while process.poll() is None:
            try:
                with urlopen(f"http://127.0.0.1:{port}{ready}", timeout=2):  # noqa: S310
                    break
            except OSError:
                time.sleep(0.05)
        assert process.poll() is None, log.read_text()[-2000:]
        yield port, time.monotonic() - begun
    finally:
        stop(process)


def measure(
    command: list[str], path: str, bodies: Path, environment: dict[str, str], ready: str = "/ready"
) -> dict[str, float]:
    """Requests a second, and the median and 99th percentile of their time in ms, by connections; the best round."""
    script = bodies.with_suffix(".lua")
    script.write_text(SCRIPT % (bodies, path))
    with running(command, environment, ready) as (port, seconds):
        found = {"ready in s": seconds}
        for connections in CONNECTIONS:
            rounds = [run_wrk(connections, script, port) for _ in range(ROUNDS)]
            best = max(rounds, key=lambda figures: figures["requests/s"])
            found |= {f"{name}, {connections}": value for name, value in best.items()}
    return found


def run_wrk(connections: int, script: Path, port: int) -> dict[str, float]:
    address = f"http://127.0.0.1:{port}"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-s", str(script), address]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "errors 0" in told and "Socket errors" not in told, told
    rate = re.search(r"Requests/sec:\s+([\d.]+)", told)
    assert rate
    return {"requests/s": float(rate[1]), "p50 ms": percentile(told, "50%"), "p99 ms": percentile(told, "99%")}


def percentile(told: str, which: str) -> float:
    found = re.search(rf"{which}\s+([\d.]+)(us|ms|s)\b", told)
    assert found, told
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]]


def show(found: dict[str, dict[str, float]]) -> None:
    """All figures side by side, and the ratios of ours."""
    names = list(found)
    print(f"{'':18}" + "".join(f"{name:>22}" for name in names))
    for figure in found["ours"]:
        print(f"{figure:18}" + "".join(f"{found[name][figure]:22,.2f}" for name in names))
    for name in names:
        ratios = [found["ours"][f"requests/s, {n}"] / found[name][f"requests/s, {n}"] for n in CONNECTIONS]
        tail = found["ours"]["p99 ms, 1"] / found[name]["p99 ms, 1"]
        print(f"ours / {name}: {', '.join(f'{ratio:.2f}' for ratio in ratios)} requests/s; p99 at 1: {tail:.2f}")


def serve_empty(port: int) -> None:
    """The endpoint that reads a row and answers a constant."""
    import uvicorn
    from fastapi import FastAPI, Request, Response

    from serving.rows import RowSchema
    from tasks.core.use_case import load_use_case

    use_case = load_use_case("late-arrivals")
    schema, app = RowSchema(use_case.rows, use_case.predicted, use_case.predicted.outcomes), FastAPI()

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        schema.one.validate_json(await request.body())
        return Response(b'{"score":0.1}', media_type="application/json")

    @app.get("/ready")
    async def ready() -> str:
        return "yes"

    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_level="warning")


if __name__ == "__main__":
    serve_empty(int(sys.argv[2])) if sys.argv[1:2] == ["empty"] else main()
