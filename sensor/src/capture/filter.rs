//! `--filter`: tcpdump's language, compiled by libpcap for each link type that occurs.

use std::collections::BTreeMap;

use pcap::{BpfProgram, Capture, Linktype};

/// A capture filter.
pub(crate) struct Filter {
    text: String,
    programs: BTreeMap<u32, Option<BpfProgram>>,
}

impl Filter {
    /// Compiles `text`; the error is libpcap's own sentence.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        compile(text, 1).map_err(|error| error.to_string())?;
        Ok(Self {
            text: text.to_owned(),
            programs: BTreeMap::new(),
        })
    }

    /// Whether a packet passes. A filter that makes no sense for a link type passes none of it.
    pub(crate) fn passes(&mut self, link_number: u32, bytes: &[u8]) -> bool {
        let program = self
            .programs
            .entry(link_number)
            .or_insert_with(|| compile(&self.text, link_number).ok());
        program
            .as_ref()
            .is_some_and(|program| program.filter(bytes))
    }
}

fn compile(text: &str, link_number: u32) -> Result<BpfProgram, pcap::Error> {
    let number = i32::try_from(link_number).unwrap_or(i32::MAX);
    Capture::dead(Linktype(number))?.compile(text, true)
}
