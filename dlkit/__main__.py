"""Run the command line as `python -m dlkit`."""

from dlkit.cli.app import main

if __name__ == "__main__":
    main()
