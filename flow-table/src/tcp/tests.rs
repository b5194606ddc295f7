//! Tables of cases, by starting state.
