"""`python -m tickwire` is the command `tickwire`."""

from tickwire.cli.main import app

if __name__ == "__main__":
    app(prog_name="tickwire")
