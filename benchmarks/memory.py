"""Memory of each service after jobs of two sizes: it should not depend on the size."""

from benchmarks.bench import Bench, Rows
from benchmarks.system import system

SIZES = (20_000, 200_000)
ROUNDS = 3


async def measure(bench: Bench) -> Rows:
    """Resident memory in MiB when the jobs of a size are over."""
    rows: Rows = []
    async with system(bench) as measured:
        for records in SIZES:
            await measured.play("bench", {"records": records, "shape": "nested"}, budget={"in_flight": 64})
            for _ in range(bench.times(ROUNDS)):
                await measured.run("bench", records)
                await measured.settle()
            after = measured.resident_megabytes()
            rows += [{"service": name, "records": records, "megabytes": size} for name, size in after.items()]
    return rows
