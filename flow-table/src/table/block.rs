//! Packets as they come.

use crate::clock::Clock;
use crate::key::FlowKey;
use crate::packet::LinkInfo;

/// What the packets of a block have in common.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// Packet time at each.
    pub clock: Clock<'a>,
    /// The tunnels they came through.
    pub parents: &'a [FlowKey],
    /// What their link layers said, where that is asked for.
    pub links: &'a [LinkInfo],
    /// The bytes they were read in: [`Packet::payload`](crate::Packet::payload) lies there.
    pub bytes: &'a [u8],
    /// Datagrams that were put together from fragments.
    pub beside: &'a [u8],
}

impl<'a> Block<'a> {
    /// Packets of which nothing more is known than packet time at each.
    pub const fn new(clock: Clock<'a>) -> Self {
        Self {
            clock,
            parents: &[],
            links: &[],
            bytes: &[],
            beside: &[],
        }
    }
}
