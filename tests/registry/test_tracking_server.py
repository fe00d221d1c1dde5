"""A real MLflow server on loopback, with and without a password, shows the record; its files can be had from it."""

import subprocess
import sys
import time

import pytest
from mlflow import MlflowClient

from stack.local_stack import free_port
from tasks.registry.decision_log import read_log
from tasks.registry.promotion import promote_by_hand
from tasks.registry.tracking import mirror

pytestmark = pytest.mark.slow

MODEL, PASSWORD = "late-arrivals", "a long password"
ACCOUNTS = (
    "[mlflow]\ndefault_permission = MANAGE\nadmin_username = ada\nadmin_password = {}\ndatabase_uri = sqlite:///{}\n"
)
ACCOUNTS += "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"


@pytest.fixture(params=["open", "with a password"])
def tracking_server(request, tmp_path, monkeypatch):
    """Its address, which this process uses from here on."""
    port, options = free_port(), []
    if request.param != "open":
        (tmp_path / "accounts.ini").write_text(ACCOUNTS.format(PASSWORD, tmp_path / "accounts.db"))
        monkeypatch.setenv("MLFLOW_AUTH_CONFIG_PATH", str(tmp_path / "accounts.ini"))
        monkeypatch.setenv("MLFLOW_FLASK_SERVER_SECRET_KEY", "secret")
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
        options = ["--app-name", "basic-auth"]
    database, files = f"sqlite:///{tmp_path / 'mlflow.db'}", str(tmp_path / "files")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", database, "--artifacts-destination", files, *options]
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    wait_until_it_answers(address, server)
    yield address
    server.terminate()
    server.wait()


def wait_until_it_answers(address: str, server: subprocess.Popen) -> None:
    for _ in range(300):
        try:
            MlflowClient(address).search_experiments(max_results=1)
            return
        except Exception:
            assert server.poll() is None, "the MLflow server ended"
            time.sleep(1)
    raise AssertionError("the MLflow server does not answer")


def test_versions_are_shown_and_their_files_can_be_had_by_alias(versions, tracking_server, tmp_path):
    from mlflow.artifacts import download_artifacts

    promote_by_hand(MODEL, "2", "first", "data")
    assert mirror.fn(read_log(MODEL))
    champion = MlflowClient(tracking_server).get_model_version_by_alias(MODEL, "champion")
    assert champion.tags["version"] == "2"
    (tmp_path / "had").mkdir()
    download_artifacts(f"models:/{MODEL}@champion", dst_path=str(tmp_path / "had"), tracking_uri=tracking_server)
    names = {path.name for path in (tmp_path / "had").rglob("*") if path.is_file()}
    assert {"card.json", "model.onnx"} <= names
    assert mirror.fn(read_log(MODEL), whole=True)


@pytest.mark.parametrize("tracking_server", ["with a password"], indirect=True)
def test_a_wrong_password_stops_nothing_and_is_not_shown(versions, tracking_server, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "another password")
    promote_by_hand(MODEL, "2", "first", "data")
    assert not mirror.fn(read_log(MODEL)) and read_log(MODEL).champion() == "2"
    assert "another password" not in (told := capsys.readouterr().out) and "lags behind" in told
