"""Limits, settings, documentation, logs."""

import io
import json
import logging
import re
from pathlib import Path

import pytest

from service import logs
from service.__main__ import main
from service.settings import Settings
from tcn.errors import ConfigError

WEB = Path(__file__).parent.parent.parent / "service" / "web"


def test_every_limit_is_listed(client):
    listed = client.get("/v1/limits").json()
    for name in Settings.model_fields:
        if name.startswith("max_"):
            assert listed[name] == getattr(client.app.service.settings, name)


def test_settings_come_from_the_environment_and_options_win():
    settings = Settings.from_environment({"port": 9000}, {})
    assert (settings.host, settings.port) == ("127.0.0.1", 9000)


def test_an_unknown_variable_is_refused(monkeypatch):
    with pytest.raises(ConfigError, match=r"Unknown setting TCN_PROT\. Known settings: .*TCN_PORT"):
        Settings.from_environment({}, {"TCN_PROT": "1"})
    monkeypatch.setenv("TCN_PORT", "90000")
    with pytest.raises(ConfigError, match=r"Setting TCN_PORT: .* less than or equal to 65535"):
        Settings.from_environment({})


def test_origins_that_are_none_are_refused():
    for value in ("app.example", "*,http://a", "https://app.example/path", "ftp://a"):
        with pytest.raises(ConfigError, match=r"TCN_ALLOW_ORIGINS: must be '\*', or origins such"):
            Settings.from_environment({"allow_origins": value}, {})


def test_a_wrong_option_is_one_sentence_and_exit_code_2(capsys):
    assert main(["--port", "70000"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Setting TCN_PORT")
    assert error.count("\n") == 1


def test_the_documentation_loads_nothing_from_other_hosts(client):
    answer = client.get("/docs")
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    for file in WEB.iterdir():
        if file.suffix in (".html", ".js", ".css"):
            text = file.read_text()
            assert not re.search(r"""(src|href)=["']?(https?:)?//""", text), file
            assert not re.search(r"""(fetch|import|url)\(["']?https?:""", text), file
    for name in re.findall(r'(?:src|href)="web/([^"]+)"', answer.text):
        assert client.get(f"/web/{name}").status_code == 200
    assert "<style" not in answer.text
    assert not re.search(r"\son[a-z]+=", answer.text)


@pytest.mark.parametrize("name", ["..%2fapp.py", "app.py", "%2e%2e/settings.py", "nothing.js"])
def test_only_files_of_the_page_are_given_out(client, name):
    assert client.get(f"/web/{name}").status_code == 404


def test_the_description_names_every_refusal(client):
    document = client.get("/openapi.json").json()
    assert "Problem" in document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            codes = set(operation["responses"])
            assert {"400", "401", "403", "429", "500", "503"} <= codes, (path, method)
            if "requestBody" in operation:
                assert {"408", "413", "415", "422"} <= codes, (path, method)


@pytest.mark.parametrize("as_json", [True, False])
def test_logs_name_the_route_and_no_values(client, monkeypatch, as_json):
    stream = io.StringIO()
    monkeypatch.setattr(logs.access, "stream", stream)
    monkeypatch.setattr(logs.access, "as_json", as_json)
    client.post("/v1/forecast", {"series": [123456.5], "horizon": 1})
    client.request("BREW", "/secret-path")
    logs.access.flush()
    first, second = stream.getvalue().splitlines()
    assert "/v1/forecast" in first
    assert "unmatched" in second
    assert "other" in second
    assert "123456" not in first
    assert "secret" not in second
    if as_json:
        assert [json.loads(line)["status"] for line in (first, second)] == [200, 404]


def test_log_records_are_lines_of_text_or_json():
    record = logging.LogRecord("a", logging.WARNING, "f.py", 1, "It is %s.", ("late",), None)
    assert json.loads(logs.JsonFormatter().format(record))["message"] == "It is late."
    assert logs.TextFormatter().format(record).endswith("Z warning It is late.")


def test_a_failure_is_a_problem_with_an_id_that_the_log_has(make_client, problem, caplog):
    client = make_client()

    def fail(_):
        raise RuntimeError("inside")

    client.app.service.store.listing = fail
    refused = problem(client.get("/v1/models"), 500)
    assert "inside" not in str(refused)
    assert refused["request_id"] in caplog.text
