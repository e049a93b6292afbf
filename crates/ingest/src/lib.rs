//! File to sniffed, coerced, profiled Parquet dataset, and EDA summaries. Owns calamine.
