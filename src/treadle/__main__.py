"""``python -m treadle``, and the command ``treadle``: the command line."""

import signal

__all__ = ["main"]


def main() -> None:
    """Run the command line. Ctrl-C while it is imported ends the process as it stands: there is nothing to tell of yet."""
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_default:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from treadle.cli import main as commands

    if is_default:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    commands(prog_name="treadle")


if __name__ == "__main__":
    main()
