"""Take the pictures of docs/images with a real server and headless Chromium (make screenshots; about 5 minutes)."""

import os
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.settings import PREFECT_API_URL, temporary_settings

from stack.local_stack import ROOT, clean_environment, deploy, make_workspace, prefect_server, worker

WORKSPACE, IMAGES = ROOT / "cache" / "screenshots", ROOT / "docs" / "images"
SETTINGS = {"PARAMS_TUNING__N_TRIALS": "2", "PARAMS_PROMOTION__MODE": "review"}
CHROMIUM = "/usr/bin/chromium"


def main() -> None:
    environment = clean_environment(make_workspace(WORKSPACE), **SETTINGS)
    IMAGES.mkdir(parents=True, exist_ok=True)
    with prefect_server(environment) as address:
        environment |= {"PREFECT_API_URL": address}
        deploy(environment)
        with worker(environment), sync_playwright() as driver:
            run(environment, "flows.train", "--as-of", "2013-04-01")
            training, review = run_id(address, "train", "Pending"), run_id(address, "review", "Suspended")
            page = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]).new_page()
            page.set_viewport_size({"width": 1280, "height": 900})
            site = address.removesuffix("/api")
            take(page, f"{site}/deployments", "deployments")
            take(page, f"{site}/artifacts/artifact/{page_of(address, training)}", "training")
            show_form(page, f"{site}/runs/flow-run/{review}")
            run(environment, "flows.review", "1", "approve", "for the picture")
            run(environment, "flows.monitor", "--as-of", "2013-06-01")
            (report,) = (WORKSPACE / "store" / "reports").glob("*-2013-06-01-*.html")
            take(page, report.as_uri(), "drift-report")
            run(dict(os.environ), "demo")
            store = ROOT / "demo" / "workspace" / "store"
            keep(store / "skill.png", "skill")
            take(page, (store / "reports" / "index.html").as_uri(), "home")


def run(environment: dict[str, str], *command: str) -> None:
    subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment, check=True)


def run_id(address: str, flow: str, state: str) -> str:
    """The run of a flow, once it is in a state."""
    chosen = FlowRunFilter.model_validate({"state": {"name": {"any_": [state]}}})
    for _ in range(120):
        with temporary_settings({PREFECT_API_URL: address}), get_client(sync_client=True) as client:
            for found in client.read_flow_runs(flow_run_filter=chosen):
                if client.read_flow(found.flow_id).name == flow:
                    return str(found.id)
        time.sleep(1)
    sys.exit(f"error: no run of {flow} became {state}")


def page_of(address: str, run: str) -> str:
    """The page of a run, among its artifacts."""
    chosen = FlowRunFilter.model_validate({"id": {"any_": [run]}})
    with temporary_settings({PREFECT_API_URL: address}), get_client(sync_client=True) as client:
        found = client.read_artifacts(flow_run_filter=chosen)
    return next(str(artifact.id) for artifact in found if artifact.type == "markdown")


def take(page: Page, address: str, name: str) -> None:
    """Open a page and keep what it looks like."""
    page.goto(address)
    page.wait_for_timeout(3000)
    shoot(page, name)


def show_form(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="Resume").first.click()
    page.wait_for_timeout(2000)
    shoot(page, "review")


def shoot(page: Page, name: str) -> None:
    page.screenshot(path=WORKSPACE / f"{name}.png")
    keep(WORKSPACE / f"{name}.png", name)


def keep(picture: Path, name: str) -> None:
    """Put a picture into the documentation, in few colours."""
    Image.open(picture).convert("RGB").quantize(64).save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
