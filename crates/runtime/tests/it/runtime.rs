//! Places, their kernels and their workspaces.
