//! Rows that packets give, case by case (`docs/conn-log.md`). TCP's state machine has its own
//! tables in `tcp/tests.rs`, decoding in `decode/tests.rs`.

pub(crate) mod bytes;
mod datagrams;
mod events;
mod oddities;
mod plain;
pub(crate) mod play;
mod timers;
