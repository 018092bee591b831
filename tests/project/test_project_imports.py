import subprocess
import sys

from project.cpu_time import child_cpu_s

HEAVY = ("pandas", "pyarrow", "narwhals", "polars", "matplotlib", "rich", "typer", "fastapi")
EVERY_NAME = "import tcn; [getattr(tcn, name) for name in tcn.__all__]"


def loaded_by(code):
    """The names of the top-level modules that a fresh interpreter has after `code`."""
    script = f"{code}; import sys; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())


def test_import_tcn_alone_brings_nothing_heavy():
    assert not loaded_by("import tcn") & {*HEAVY, "torch", "numpy"}


def test_every_public_name_brings_torch_and_numpy_but_no_tables_pictures_or_http():
    loaded = loaded_by(EVERY_NAME)
    assert {"torch", "numpy"} <= loaded
    assert not loaded & set(HEAVY)


def test_the_layers_bring_no_tables_pictures_or_http():
    assert not loaded_by("import tcn.layers") & set(HEAVY)


def test_importing_every_public_name_takes_little_longer_than_importing_torch():
    torch_s = child_cpu_s("import torch")
    tcn_s = min(child_cpu_s(EVERY_NAME) for _ in range(2))
    assert tcn_s < 1.3 * torch_s + 0.1


def test_the_library_runs_from_another_directory(tmp_path):
    code = "import tcn.layers, tcn.series, tcn.cli"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
