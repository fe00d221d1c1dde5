# Two images of one file: `docker build --target serve -t ml-serve .` and `docker build --target worker -t ml-worker .`
# Any base with a Python of pyproject.toml serves; in a registry of your own: --build-arg BASE=...
ARG BASE=python:3.12-slim

FROM ${BASE} AS serve-packages
COPY serving/requirements.txt /tmp/requirements.txt
RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir --no-compile --require-hashes -r /tmp/requirements.txt \
    && rm -rf /opt/venv/lib/python3*/site-packages/pip

FROM ${BASE} AS serve
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 WORKSPACE=/app
WORKDIR /app
COPY --from=serve-packages /opt/venv /opt/venv
COPY params.yaml ./
COPY serving serving
COPY tasks/__init__.py tasks/__init__.py
COPY tasks/core tasks/core
COPY tasks/features tasks/features
COPY tasks/inference tasks/inference
COPY project project
RUN mkdir store state cache && chown 10001 store state cache
# The root may be read-only: cache/ (what was fetched) and state/ (the log until it is shipped) are written to.
VOLUME ["/app/cache", "/app/state"]
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --start-period=30s CMD ["python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=3)"]
CMD ["python3", "-m", "serving", "--host", "0.0.0.0"]

FROM ${BASE} AS worker-packages
COPY requirements.txt /tmp/requirements.txt
RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir --no-compile --require-hashes -r /tmp/requirements.txt

FROM ${BASE} AS worker
RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONPATH=/app PREFECT_HOME=/tmp/prefect HOME=/tmp
WORKDIR /app
COPY --from=worker-packages /opt/venv /opt/venv
COPY . .
RUN chown 10001 /app
USER 10001
CMD ["prefect", "worker", "start", "--pool", "local", "--limit", "2"]
