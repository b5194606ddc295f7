//! Rows without TCP.
