//! From bytes and a timestamp to flows.

mod event;
mod id;
mod time;
mod uid;

pub use event::{ConnState, FlowEvent, FlowEventKind, Traffic};
pub use id::{Endpoint, FlowId, IpProto};
pub use time::{Span, Timestamp};
pub use uid::Uid;
