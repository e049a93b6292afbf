//! Diesel schema, rows, repositories, port implementations, migrations runner, the embedded cluster. Owns diesel.
