"""`python -m tcn`: the command line."""

from tcn.cli import main

if __name__ == "__main__":
    main()
