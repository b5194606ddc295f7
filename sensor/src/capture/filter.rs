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
        // libpcap compiles loopback filters for the address families of the machine it runs on;
        // those of IPv6 differ from system to system. After the family it is plain IP.
        let (link_number, bytes) = match link_number {
            LOOPBACK | OPENBSD_LOOPBACK => (RAW_IP, bytes.get(4..).unwrap_or_default()),
            other => (other, bytes),
        };
        let program = self
            .programs
            .entry(link_number)
            .or_insert_with(|| compile(&self.text, link_number).ok());
        program
            .as_ref()
            .is_some_and(|program| program.filter(bytes))
    }
}

const LOOPBACK: u32 = 0;
const OPENBSD_LOOPBACK: u32 = 108;
/// What libpcap calls raw IP on this system.
const RAW_IP: u32 = 12;

fn compile(text: &str, link_number: u32) -> Result<BpfProgram, pcap::Error> {
    let number = i32::try_from(link_number).unwrap_or(i32::MAX);
    // The registered number of raw IP is not the one libpcap has for it inside.
    let number = if link_number == 101 { 12 } else { number };
    Capture::dead(Linktype(number))?.compile(text, true)
}
