//! Validated SQL to rows over Parquet, with time, memory and row caps. Owns datafusion.
