//! When rows are written.
