"""`python -m tcn.cli` is the command `tcn`."""

from tcn.cli.app import main

if __name__ == "__main__":
    main()
