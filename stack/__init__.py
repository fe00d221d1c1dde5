"""The local stack: Prefect server, deployments, worker, reports; standard library only, it imports nothing of ours."""
