"""Processes that belong together end together."""

import os
import signal
import threading
import time

# By which a process is asked to end.
SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Seconds between two looks; and what a process gets to save what it has, once it has been told to end.
INTERVAL, GRACE = 1.0, 20.0


def end_with(other: int) -> None:
    """End this process soon after the one with the id `other` is gone: by SIGTERM, and SIGKILL if that is no use."""

    def watch() -> None:
        while _is_there(other):
            time.sleep(INTERVAL)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is somebody else's, and there
    return True
