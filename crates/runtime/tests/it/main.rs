//! Tests of the runtime through its public door.

mod sandbox;
