"""Work on files from outside in a child process: what ends the child, as damaged slides may, does not end the job."""

import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from pathgen_smk.errors import InputError

# Seconds for which a child may be silent. The slowest slide measured, 40,000 x 60,000 px without a pyramid, takes 130.
LONGEST = 3600


def streamed(function: Callable[..., Iterable[Any]], *arguments: Any, **settings: Any) -> Iterator[Any]:
    """Yield what ``function(*arguments, **settings)`` yields in a child process.

    Its exceptions are raised here.

    Raises
    ------
    InputError
        If the child was ended by a signal (native code does not survive some damaged files), asked for more memory than
        there is, or gave nothing for `LONGEST`.
    MemoryError
        If the system killed it, which is what it does where memory runs out.
    """
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_send, args=(sender, function, arguments, settings), daemon=True)
    child.start()
    sender.close()
    try:
        while (item := _receive(receiver, child)) is not None:
            kind, value = item
            if kind == "error":
                raise value
            yield value
    finally:
        receiver.close()
        child.kill()
        child.join()


def called(function: Callable[..., Any], *arguments: Any, **settings: Any) -> Any:
    """Return what a function returns in a child process, see `streamed`."""
    (result,) = streamed(_once, function, *arguments, **settings)
    return result


def _once(function: Callable[..., Any], *arguments: Any, **settings: Any) -> Iterator[Any]:
    yield function(*arguments, **settings)


def _receive(receiver: Connection, child: Any) -> tuple[str, Any] | None:
    """Return the next item, None after the last."""
    if not receiver.poll(LONGEST):
        raise InputError(f"damaged, or too large: nothing came of reading it for {LONGEST // 60} minutes")
    try:
        return receiver.recv()
    except EOFError:
        child.join()
    if child.exitcode == -signal.SIGKILL:
        raise MemoryError
    name = signal.Signals(-child.exitcode).name if child.exitcode < 0 else f"exit code {child.exitcode}"
    raise InputError(f"damaged: reading it ended the process ({name})")


def _send(sender: Connection, function: Callable[..., Iterable[Any]], arguments: tuple, settings: dict) -> None:
    try:
        for value in function(*arguments, **settings):
            sender.send(("item", value))
        sender.send(None)
    except BrokenPipeError:
        pass  # nobody is there any more
    except MemoryError:  # it asks for more than there could be: the system would have killed the child otherwise
        sender.send(("error", InputError("damaged, or too large: reading it takes more memory than there is")))
    except Exception as error:
        # The traceback stays here; a note of it travels with the error.
        error.add_note("".join(traceback.format_exception(error)))
        sender.send(("error", error))
