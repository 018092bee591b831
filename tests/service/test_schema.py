"""The API against its own description: schemathesis, with a fixed seed."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

# A request that fits the schema may be refused for what no schema can say: a check of ours, which
# `SCHEMATHESIS_HOOKS` names, lists these reasons.
CONFIG = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 409, 422, 429]
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_route_keeps_its_promises(own_server, tmp_path):
    if importlib.util.find_spec("schemathesis") is None:
        pytest.skip("schemathesis is not installed")
    server = own_server(max_jobs=1_000_000, max_streams=1_000_000)
    command = [sys.executable, "-W", "ignore", "-m", "schemathesis.cli", "run"]
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    command += [f"{server.url}/openapi.json", "--checks", "all"]
    command += ["--seed", "1", "--max-examples", "25", "--generation-database", "none"]
    command += ["--exclude-path-regex", "/events$"]
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "schema_checks",
        "PYTHONPATH": str(Path(__file__).parent),
    }
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stdout[-8000:]
    assert "Traceback" not in server.log_text()
