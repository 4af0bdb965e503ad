"""Snakemake, but it asks a cluster for the state of jobs each second; its plugin soon waits for a minute and more."""

import asyncio
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def sleep_a_second(_: RemoteExecutor) -> None:
    """Replace the plugin's pauses, which grow by ten seconds each time."""
    await asyncio.sleep(1)


if __name__ == "__main__":
    RemoteExecutor.sleep = sleep_a_second
    main()
    sys.exit()
