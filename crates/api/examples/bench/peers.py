"""Times polars alone: `peers.py big.csv big.parquet`. Prints work, number and unit, separated by tabs."""

import resource
import statistics
import sys
import tempfile
import time

import polars as pl

csv, parquet = sys.argv[1:]


def timed(work, times=15):
    samples = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        samples.append((time.perf_counter() - began) * 1000)
    return statistics.median(samples)


with tempfile.NamedTemporaryFile(suffix=".parquet") as out:
    began = time.perf_counter()
    pl.scan_csv(csv, null_values=["N/A"], infer_schema_length=10_000).sink_parquet(out.name, compression="zstd")
    print(f"polars alone, CSV to Parquet (streaming, no profile)\t{time.perf_counter() - began:.3f}\ts")
    print(f"polars alone, its memory at its peak\t{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}\tMB")

big = pl.scan_parquet(parquet)
work = {
    "limit": lambda: big.head(200).collect(),
    "group by": lambda: big.group_by("product").agg(pl.len(), pl.col("total").mean()).sort("len", descending=True).collect(),
    "window": lambda: big.select("id", "region", "total")
    .with_columns(pl.col("total").rank("ordinal", descending=True).over("region").alias("place"))
    .filter(pl.col("place") <= 3)
    .collect(),
    "count distinct": lambda: big.select(pl.col("customer").n_unique()).collect(),
}
for name, run in work.items():
    run()
    print(f"SQL {name}, polars alone, p50\t{timed(run):.3f}\tms")
