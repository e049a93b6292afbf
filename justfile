# Short names for what `cargo xtask` does; it lists all its commands by itself.

# List the recipes.
default:
    @just --list

# Build, start on throwaway data, and drive the main job on real data.
demo:
    cargo xtask demo

# Build, set up, and serve on ./.gristmill.
start:
    cargo xtask start

# Run every test, or the Rust tests that the filters pick.
test *filters:
    cargo xtask test {{ filters }}

# What CI checks beside tests, or only some steps of it.
check *steps:
    cargo xtask check {{ steps }}

# Regenerate the OpenAPI document and the TypeScript types.
openapi:
    cargo xtask openapi
    cargo xtask ts

# Run the benchmarks, all or one.
bench *name:
    cargo xtask bench {{ name }}

# Bring the code into its form.
fmt:
    cargo fmt --all
