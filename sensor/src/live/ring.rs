//! One interface: packets come out of a ring that the kernel shares with us (TPACKET_V3, through
//! libpcap), and are copied into blocks.

mod socket;

use std::os::fd::AsFd;

use anyhow::Context;
use flow_table::{LinkType, Span, Timestamp};
use pcap::{Active, Capture, Linktype, Packet, Precision};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Rights;
use crate::capture::{Block, Record};
use crate::clock::time_of_day;
use crate::config::ByteSize;
pub(super) use socket::Lately;

/// Bytes of packets in a block: few enough to stay in the cache.
const BLOCK_BYTES: usize = 256 * 1024;
/// Packets in a block.
const BLOCK_RECORDS: usize = 2_048;
/// What a block takes on its way, with everything that is noted of its packets.
pub(super) const CHUNK_BYTES: u64 = 768 * 1024;
/// Packets are kept whole; libpcap keeps no more of any.
const SNAP_LEN: i32 = 262_144;
/// About what the kernel notes beside each packet.
const HEADER_BYTES: u64 = 128;
/// The kernel hands over packets when it has a block of them, or after so many milliseconds.
const RETIRE_MILLIS: i32 = 20;
/// What the kernel had so long is handed over: its timer may just have missed a packet.
pub(super) const HELD: Span = Span::from_millis(3 * RETIRE_MILLIS as i64);
/// The pseudo-interface that hears all of them; it cannot be put into promiscuous mode.
const ANY: &str = "any";

/// Whether an interface takes in what is not addressed to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Promiscuous {
    Yes,
    No,
}

/// How to listen.
#[derive(Clone, Debug)]
pub(super) struct RingOptions {
    /// The kernel's buffer.
    pub(super) buffer: ByteSize,
    pub(super) promiscuous: Promiscuous,
    /// tcpdump's language.
    pub(super) filter: Option<String>,
}

/// An open interface.
pub(super) struct Ring {
    name: String,
    options: RingOptions,
    capture: Capture<Active>,
    link_number: u32,
    link: Option<LinkType>,
    /// The group of rings that share the packets of the interface, and which of them this is.
    group: Option<u16>,
    nth: usize,
    /// What came before this is of another ring.
    since: Timestamp,
    /// The largest packet so far: how many there is room for goes by it.
    largest: usize,
}

/// Why a block was filled no further.
#[derive(Clone, Copy, Debug)]
pub(super) enum Filled {
    Full,
    /// At this time nothing more was there.
    Quiet(Timestamp),
}

impl Ring {
    pub(super) fn open(name: &str, options: &RingOptions) -> anyhow::Result<Self> {
        let opened = Self::activate(name, options);
        let capture = opened.map_err(|error| refused(name, &error))?;
        let mut capture = capture
            .setnonblock()
            .with_context(|| format!("{name}: cannot listen"))?;
        if let Some(filter) = &options.filter {
            let set = capture.filter(filter, true);
            set.map_err(|error| anyhow::anyhow!("--filter {filter:?} on {name}: {error}"))?;
        }
        let Linktype(number) = capture.get_datalink();
        let link_number = registered(u32::try_from(number).unwrap_or(u32::MAX));
        Ok(Self {
            name: name.to_owned(),
            options: options.clone(),
            capture,
            link_number,
            link: LinkType::of(link_number),
            group: None,
            nth: 0,
            since: Timestamp::ZERO,
            largest: 2_048,
        })
    }

    fn activate(name: &str, options: &RingOptions) -> Result<Capture<Active>, pcap::Error> {
        let promiscuous = options.promiscuous == Promiscuous::Yes && name != ANY;
        Capture::from_device(name)?
            .promisc(promiscuous)
            .snaplen(SNAP_LEN)
            .buffer_size(i32::try_from(options.buffer.0).unwrap_or(i32::MAX))
            .timeout(RETIRE_MILLIS)
            .precision(Precision::Nano)
            .open()
    }

    /// So many rings that share the packets of an interface.
    pub(super) fn open_all(
        name: &str,
        options: &RingOptions,
        count: usize,
    ) -> anyhow::Result<Vec<Self>> {
        let mut group = None;
        let mut rings = Vec::with_capacity(count);
        for nth in 0..count {
            let mut ring = Self::open(name, options)?;
            if count > 1 {
                group = Some(ring.share(group, nth)?);
            }
            rings.push(ring);
        }
        Ok(rings)
    }

    fn share(&mut self, group: Option<u16>, nth: usize) -> anyhow::Result<u16> {
        let shared = socket::share(self.capture.as_fd(), group);
        let group = shared.with_context(|| format!("{}: cannot share packets", self.name))?;
        (self.group, self.nth) = (Some(group), nth);
        if nth > 0 {
            // Until now it heard what the others did, too.
            self.since = time_of_day();
            let _ = socket::lately(self.capture.as_fd());
        }
        Ok(group)
    }

    /// The same interface, opened again.
    pub(super) fn again(&self) -> anyhow::Result<Self> {
        let mut ring = Self::open(&self.name, &self.options)?;
        if self.group.is_some() {
            ring.share(self.group, self.nth)?;
        }
        Ok(ring)
    }

    /// Which of those that share an interface it is.
    pub(super) const fn nth(&self) -> usize {
        self.nth
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether its packets can be read at all.
    pub(super) fn unknown_link(&self) -> Option<u32> {
        self.link.is_none().then_some(self.link_number)
    }

    /// Copies packets into `block` until it is full, or until nothing more comes before `deadline`.
    pub(super) fn fill(
        &mut self,
        block: &mut Block,
        deadline: Timestamp,
    ) -> Result<Filled, pcap::Error> {
        loop {
            let bytes = BLOCK_BYTES.saturating_sub(block.bytes.len());
            let records = BLOCK_RECORDS.saturating_sub(block.records.len());
            if bytes == 0 || records == 0 {
                return Ok(Filled::Full);
            }
            let most = (bytes / self.largest).clamp(1, records);
            if self.take(block, most)? == 0 {
                let now = time_of_day();
                if now >= deadline {
                    return Ok(Filled::Quiet(now));
                }
                self.wait(deadline.since(now));
            }
        }
    }

    /// Copies at most so many packets, without waiting for any.
    fn take(&mut self, block: &mut Block, most: usize) -> Result<usize, pcap::Error> {
        let (link_number, link, since) = (self.link_number, self.link, self.since);
        let largest = &mut self.largest;
        self.capture.dispatch(Some(most), |packet: Packet<'_>| {
            let stamp = packet.header.ts;
            // Nanoseconds, as asked for.
            let ts = Timestamp::new(stamp.tv_sec, stamp.tv_usec);
            if ts < since {
                return;
            }
            let offset = block.bytes.len();
            block.bytes.put(packet.data);
            *largest = packet.data.len().max(*largest);
            block.records.push(Record {
                ts,
                start: offset,
                offset,
                len: packet.data.len(),
                wire_len: packet.header.len,
                link_number,
                link,
            });
        })
    }

    /// Waits until the kernel hands over more, but not longer than that.
    fn wait(&self, longest: Span) {
        let nanos = longest.as_nanos().max(0);
        let timeout = Timespec {
            tv_sec: nanos / 1_000_000_000,
            tv_nsec: nanos % 1_000_000_000,
        };
        let mut fds = [PollFd::from_borrowed_fd(
            self.capture.as_fd(),
            PollFlags::IN,
        )];
        // Whatever it is, the next attempt to take packets tells.
        let _ = poll(&mut fds, Some(&timeout));
    }

    /// Whether so many packets of about that size take half of the kernel's buffer.
    pub(super) const fn is_half_full(&self, packets: u64, bytes: u64) -> bool {
        packets * (bytes + HEADER_BYTES) >= self.options.buffer.0 / 2
    }

    /// What the kernel has counted since the interface was opened, and what it has counted since this
    /// was asked last, which is not in the former.
    pub(super) fn stats(&mut self) -> (Option<pcap::Stat>, Lately) {
        let lately = socket::lately(self.capture.as_fd()).unwrap_or_default();
        let mut stats = self.capture.stats().ok();
        if self.nth > 0 {
            // It is that of the interface, which the first one tells.
            if let Some(stats) = &mut stats {
                stats.if_dropped = 0;
            }
        }
        (stats, lately)
    }
}

/// libpcap has numbers of its own for some link types; captures hold the registered ones.
const fn registered(number: u32) -> u32 {
    match number {
        12 => 101,
        other => other,
    }
}

/// Says why an interface could not be opened, and what to do about it.
fn refused(name: &str, error: &pcap::Error) -> anyhow::Error {
    let text = error.to_string();
    let missing = Rights::of_this_process().advice();
    if let Some(advice) = missing {
        return anyhow::anyhow!("{name}: no right to capture: {advice}");
    }
    if text.contains("No such device") {
        return anyhow::anyhow!(
            "{name}: there is no such interface; `flowhawk interfaces` lists them"
        );
    }
    if text.contains("not up") {
        return anyhow::anyhow!("{name}: the interface is down: run `ip link set {name} up` first");
    }
    anyhow::anyhow!("{name}: cannot listen: {text}")
}
