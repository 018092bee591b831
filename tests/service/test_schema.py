"""The API against its own description: schemathesis, with a fixed seed."""

import importlib.util
import subprocess
import sys

import pytest

# A schema cannot say that ids differ, that levels ascend or that a text is a CSV file.
LEFT_OUT = "positive_data_acceptance"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_route_keeps_its_promises(own_server, tmp_path):
    if importlib.util.find_spec("schemathesis") is None:
        pytest.skip("schemathesis is not installed")
    server = own_server(max_jobs=1_000_000, max_streams=1_000_000)
    command = [sys.executable, "-W", "ignore", "-m", "schemathesis.cli", "run"]
    command += [f"{server.url}/openapi.json", "--checks", "all", "--exclude-checks", LEFT_OUT]
    command += ["--seed", "1", "--max-examples", "25", "--generation-database", "none"]
    command += ["--exclude-path-regex", "/events$"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-8000:]
    assert "Traceback" not in server.log_text()
