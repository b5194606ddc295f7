//! Addresses outside that findings name, and the names that led to them.
//!
//! A name is known of an address once an answer of DNS told it to a host inside. State is bounded: of
//! an address only the latest names are kept, and addresses that were in no answer for the longest time
//! are forgotten first, counted.

use std::net::IpAddr;
use std::sync::Arc;

use crate::config;
use crate::names::Names;
use crate::seen::{Observer, Party, Side};
use crate::state::state;
use crate::subjects::{Held, Subjects};
use crate::{Evidence, Finding, Outside, Signal};

/// Addresses with the names that were told of them.
#[derive(Debug)]
pub(crate) struct Answers {
    addresses: Subjects<Option<IpAddr>, Names>,
}

state!(Answers { addresses } of {});

impl Held for Names {
    fn heap(&self) -> usize {
        Self::heap(self)
    }
}

impl Answers {
    pub(crate) fn new(config: &config::Answers) -> Self {
        let (subjects, bytes) = (config.max_subjects.size(), config.max_memory.size());
        let addresses = Subjects::new(subjects, bytes);
        Self { addresses }
    }

    /// A host inside was told that the name leads there.
    pub(crate) fn learn(&mut self, server: Party, name: &[u8]) {
        let names = |names: &mut Names| names.push(name);
        self.addresses.update(server.key, Some(server.addr), names);
    }

    /// In their order.
    fn names(&self, server: Party) -> Vec<Arc<str>> {
        let known = self.addresses.get(server.key, Some(server.addr));
        let mut names = known.map_or_else(Vec::new, |names| names.all().to_vec());
        names.sort_unstable();
        names
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.addresses.evicted()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.addresses.bytes()
    }
}

impl Observer {
    /// Says of the addresses outside that a finding names what is known of them by now.
    pub(crate) fn name_outside(&mut self, finding: &mut Finding) {
        for signal in finding.signals_mut() {
            self.name_outside_of(signal);
        }
    }

    fn name_outside_of(&mut self, signal: &mut Signal) {
        let Evidence { peers, outside, .. } = &mut signal.evidence;
        let ends = [signal.subject.src, signal.subject.dst];
        let ends = ends.into_iter().flatten();
        let mut addrs: Vec<IpAddr> = ends.chain(peers.iter().copied()).collect();
        addrs.sort_unstable();
        addrs.dedup();
        outside.clear();
        for addr in addrs {
            let at = self.party(addr);
            if at.side == Side::Outside {
                outside.push(Outside {
                    names: self.answers.names(at),
                    ..Outside::at(at.addr)
                });
            }
        }
    }
}
