//! How the run goes, for Prometheus: `/metrics` in the OpenMetrics text format, or in the older one for those
//! who do not ask for it, and `/healthz`.
//!
//! Nothing is counted for it on the path of packets: it reads what threads tell once a block, once a
//! tick or once a second.

mod form;
mod page;
mod process;
mod server;

use std::fmt;
use std::sync::Arc;

use super::interfaces::Interfaces;
use crate::output::ReceiverTally;
use crate::pipeline::{Depth, Missing};
use crate::progress::Live;
pub(super) use server::Server;

/// Asks for a number that others keep.
type Ask<T> = Box<dyn Fn() -> T + Send + Sync>;

/// What metrics are made of.
pub(super) struct Sources {
    pub(super) live: Arc<Live>,
    pub(super) missing: Arc<Missing>,
    pub(super) interfaces: Arc<Interfaces>,
    /// Blocks between those who listen and the workers.
    pub(super) depth: Ask<Depth>,
    /// Stands still when the run does.
    pub(super) progress: Ask<u64>,
    pub(super) receivers: Vec<(String, Arc<ReceiverTally>)>,
    pub(super) memory_limit: u64,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}
