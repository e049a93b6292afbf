//! Development only: throwaway PostgreSQL, builders, fakes, redactions.
