"""dlt's rest_api source into Postgres, as it comes: more workers and larger buffers made no difference here.

Runs in an environment of its own (`requirements-bench.lock`).
"""

import json
import os
import sys
import tempfile
import time

os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}

import dlt
from dlt.sources.rest_api import rest_api_source


def main(base_url: str, database_url: str) -> None:
    """Copy all items."""
    source = rest_api_source(
        {
            "client": {"base_url": base_url},
            "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
            "resources": [
                {
                    "name": "dlt_items",
                    "endpoint": {
                        "path": "items",
                        "data_selector": "items",
                        "paginator": {"type": "offset", "limit": 100, "total_path": "meta.total"},
                    },
                }
            ],
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=folder,
            destination=dlt.destinations.postgres(database_url),
            dataset_name="dlt_bench",
        )
        began = time.perf_counter()
        pipeline.run(source, refresh="drop_sources")
        seconds = time.perf_counter() - began
        with pipeline.sql_client() as client, client.execute_query("SELECT count(*) FROM dlt_items") as cursor:
            (count,) = cursor.fetchone()
    print(json.dumps({"records": count, "seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
