"""Start the endpoint: ml serve, or python -m serving."""

import argparse
import os
import sys

# One thread each: a request is short, and threads that wait for work would take the time of the next.
for variable in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from serving.serve import serve  # noqa: E402
from tasks.core.errors import exit_on_input_error  # noqa: E402


def main() -> None:
    """Read the options and serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="ml serve", description="Answer with the champion's scores, over HTTP.")
    parser.add_argument("--model", help="only this one; left out, all of project/")
    parser.add_argument("--host", default="127.0.0.1", help="another address needs SERVE_API_KEYS (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="(8000)")
    given = parser.parse_args()
    with exit_on_input_error():
        serve(given.model, given.host, given.port)


if __name__ == "__main__":
    sys.exit(main())
