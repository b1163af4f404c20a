"""python -m infra.simulator --port 0 --port-file PATH --seed 7 --config FILE.json"""

import argparse
import asyncio
import gc
import os
import signal
from pathlib import Path

import uvloop
from pydantic import ValidationError

from infra.simulator.config import SimulatorConfig
from infra.simulator.server import Simulator


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="infra.simulator", description="Simulates vendors' APIs, and judges clients.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="port to listen at; 0 takes a free one (0)")
    parser.add_argument("--port-file", type=Path, help="file to write the port to, once it listens")
    parser.add_argument("--seed", type=int, help="seed of vendors that name none (7, or the configuration's)")
    parser.add_argument("--config", type=Path, help='JSON file: {"seed": 7, "vendors": {"acme": {…}}}')
    options = parser.parse_args()
    config = SimulatorConfig()
    try:
        if options.config:
            config = SimulatorConfig.model_validate_json(options.config.read_bytes())
    except (OSError, ValidationError) as error:
        parser.error(f"--config {options.config}: {_text_of(error)}")
    if options.seed is not None:
        config = config.model_copy(update={"seed": options.seed})
    try:
        uvloop.run(_run(config, options.host, options.port, options.port_file))
    except OSError as error:
        parser.error(f"cannot listen at {options.host}:{options.port}: {os.strerror(error.errno or 0)}")


def _text_of(error: OSError | ValidationError) -> str:
    if isinstance(error, OSError):
        return str(error.strerror)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())


async def _run(config: SimulatorConfig, host: str, port: int, port_file: Path | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Simulator(config).serve(host=host, port=port) as base_url:
        if port_file is not None:
            _write_whole(port_file, base_url.rpartition(":")[2])
        print(f"simulating {', '.join(config.vendors)} at {base_url}", flush=True)
        # Collections of long-lived objects would show up as jitter in the times that a client is judged by.
        gc.freeze()
        await stop.wait()


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that its readers never see half of it."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text)
    os.replace(part, path)


if __name__ == "__main__":
    main()
