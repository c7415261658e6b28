"""What instances reported outlives a restart: until they report again, minutes pass."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from collectors.skywalking_segments.instances import Instances
from topology.errors import MalformedInput

EVERY_S = 2.0
logger = logging.getLogger(__name__)


def recall(instances: Instances, file: Path) -> None:
    """Remembers what the file holds; one that is not there or damaged is none."""
    try:
        instances.restore(file.read_bytes())
    except FileNotFoundError:
        return
    except (OSError, MalformedInput) as error:
        logger.warning("what instances reported before cannot be read, they will report again: %s: %s", file, error)


async def keep(instances: Instances, file: Path) -> None:
    """Writes what instances reported into the file, soon after it changed, until it is cancelled."""
    try:
        while True:
            await asyncio.sleep(EVERY_S)
            if instances.changed:
                await asyncio.to_thread(_write, instances, file)
    finally:
        _write(instances, file)


def _write(instances: Instances, file: Path) -> None:
    part = file.with_name(f"{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(instances.content())
        part.replace(file)
    except OSError as error:
        logger.warning("what instances reported cannot be written: %s: %s", file, error)
