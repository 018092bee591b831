"""`python -m service`: serve forecasts over HTTP. Options win over `TCN_` variables.

`python -m service keys` makes, lists and revokes keys.
"""

import argparse
import sys
from collections.abc import Sequence

from service.settings import Settings
from tcn.errors import TcnError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; 2 is a user's mistake."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["keys"]:
        from service.keys import main as keys

        return keys(given[1:])
    options = vars(parser().parse_args(given))
    overrides = {key: value for key, value in options.items() if value is not None}
    try:
        return run(Settings.from_environment(overrides))
    except TcnError as error:
        sys.stderr.write(f"{error}\n")
    except OSError as error:
        sys.stderr.write(f"Cannot serve: {error.strerror or error}. Choose another --port.\n")
    return 2


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="python -m service", description=__doc__)
    made.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    made.add_argument("--port", type=int, help="port (default 8000; 0 picks a free one)")
    made.add_argument("--store", help="directory of the models (default models)")
    return made


def run(settings: Settings) -> int:
    """Serve until a signal comes."""
    from service import logs
    from service.app import create_app
    from service.runner import runner_beside
    from service.server import serve

    logs.configure(settings.log_format)
    with runner_beside(settings):
        serve(create_app, settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
