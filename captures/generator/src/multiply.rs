//! A large capture made of small ones: the copies overlap in time, and each has hosts of its own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::addresses::{Renaming, scramble};
use crate::frame::Layout;
use crate::pcap::{Capture, EPOCH_NS, Packet, Precision, Writer, link};

const MICROSECOND_NS: u64 = 1000;

#[derive(Args)]
pub(crate) struct Multiply {
    /// Ethernet captures in the classic format; `.gz` is read too
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// A capture of which there is one copy, as it was recorded; may be given several times
    #[arg(long)]
    once: Vec<PathBuf>,
    /// The file to write
    #[arg(long)]
    out: PathBuf,
    /// Write at least so many bytes: a number, or one with K, M or G (powers of 1024)
    #[arg(long, value_parser = parse_bytes)]
    bytes: u64,
    /// Bytes kept of each packet
    #[arg(long, default_value_t = 65535)]
    snaplen: u32,
    /// Seconds over which the copies begin
    #[arg(long, default_value_t = 600)]
    spread: u32,
    /// Give packets that were cut their length on the wire again, with filler for payload
    #[arg(long)]
    fill: bool,
    /// Chooses when each copy begins
    #[arg(long, default_value_t = 1)]
    seed: u32,
}

/// An input: its packets in time order, and where their addresses are.
struct Input {
    packets: Vec<(Packet, Option<Layout>)>,
}

/// What ends the head of an HTTP message.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// Whether the head of an HTTP message begins in a frame and does not end there: filler would make
/// header lines of all that follows.
fn is_cut_in_head(frame: &[u8]) -> bool {
    let holds = |word: &[u8]| frame.windows(word.len()).any(|part| part == word);
    holds(b"HTTP/1.") && !holds(HEAD_END)
}

/// The next packet of one copy of one input.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Cursor {
    ts_ns: u64,
    network: u16,
    input: usize,
    packet: usize,
    begin_ns: u64,
}

impl Multiply {
    pub(crate) fn run(&self) -> Result<()> {
        let mut inputs = self
            .inputs
            .iter()
            .map(|path| self.load(path, self.fill))
            .collect::<Result<Vec<_>>>()?;
        let one: u64 = inputs
            .iter()
            .flat_map(|i| &i.packets)
            .map(|(p, _)| self.stored(p))
            .sum();
        ensure!(one > 0, "the inputs hold no packets");
        let copies = usize::try_from(self.bytes.div_ceil(one))?;
        // Each copy of each input is a network of its own, also if an input is named twice.
        let copied = inputs.len();
        for path in &self.once {
            inputs.push(self.load(path, false)?);
        }
        let of_network = (0..copies)
            .flat_map(|_| 0..copied)
            .chain(copied..inputs.len());
        let mut cursors = BinaryHeap::new();
        for (network, input) in of_network.enumerate() {
            let network =
                u16::try_from(network).context("over 65,535 copies: give larger inputs")?;
            cursors.extend(self.begin(&inputs, network, input).map(Reverse));
        }
        let mut out = Writer::create(&self.out, link::ETHERNET, self.snaplen, Precision::Micro)?;
        let mut frame = Vec::with_capacity(1 << 16);
        while let Some(Reverse(cursor)) = cursors.pop() {
            let Some((packet, layout)) = inputs
                .get(cursor.input)
                .and_then(|i| i.packets.get(cursor.packet))
            else {
                continue;
            };
            frame.clear();
            frame.extend_from_slice(&packet.data);
            if let Some(layout) = layout {
                layout.rename(&mut frame, Renaming::of(cursor.network));
            }
            out.write(cursor.ts_ns, packet.wire_len, &frame)?;
            cursors.extend(cursor.advance(&inputs).map(Reverse));
        }
        eprintln!("{copies} copies, {} bytes", out.written);
        out.finish()?;
        Ok(())
    }

    fn load(&self, path: &Path, fill: bool) -> Result<Input> {
        let capture = Capture::read(path)?;
        ensure!(
            capture.link == link::ETHERNET,
            "{}: link type {}, not Ethernet",
            path.display(),
            capture.link
        );
        let mut packets = capture.packets;
        packets.sort_by_key(|packet| packet.ts_ns);
        let packets = packets
            .into_iter()
            .map(|packet| self.prepare(packet, fill))
            .collect();
        Ok(Input { packets })
    }

    fn prepare(&self, mut packet: Packet, fill: bool) -> (Packet, Option<Layout>) {
        let layout = Layout::of(&packet.data);
        let cut = (packet.data.len() as u64) < u64::from(packet.wire_len);
        if let Some(layout) = layout
            && fill
            && cut
        {
            if is_cut_in_head(&packet.data) {
                packet.data.extend_from_slice(HEAD_END);
            }
            let mut filler = scramble(packet.wire_len ^ self.seed);
            while (packet.data.len() as u64) < u64::from(packet.wire_len) {
                filler = scramble(filler.wrapping_add(1));
                packet.data.extend_from_slice(&filler.to_be_bytes());
            }
            packet
                .data
                .truncate(usize::try_from(packet.wire_len).unwrap_or(usize::MAX));
            layout.sum_transport(&mut packet.data);
        }
        (packet, layout)
    }

    /// Bytes the packet takes in the file.
    fn stored(&self, packet: &Packet) -> u64 {
        16 + (packet.data.len() as u64).min(u64::from(self.snaplen))
    }

    /// The first packet of a copy, somewhere in the spread.
    fn begin(&self, inputs: &[Input], network: u16, input: usize) -> Option<Cursor> {
        let first = &inputs.get(input)?.packets.first()?.0;
        let chance = u64::from(scramble(
            scramble(u32::from(network)).wrapping_add(self.seed),
        ));
        let micros = (chance * u64::from(self.spread) * 1_000_000) >> 32;
        let begin_ns = EPOCH_NS + micros * MICROSECOND_NS;
        // Relative to the input's first packet, so that begin_ns plus a packet's time never underflows.
        let begin_ns = begin_ns.wrapping_sub(first.ts_ns);
        Some(Cursor {
            ts_ns: begin_ns.wrapping_add(first.ts_ns),
            network,
            input,
            packet: 0,
            begin_ns,
        })
    }
}

impl Cursor {
    fn advance(mut self, inputs: &[Input]) -> Option<Self> {
        self.packet += 1;
        let (packet, _) = inputs.get(self.input)?.packets.get(self.packet)?;
        self.ts_ns = self.begin_ns.wrapping_add(packet.ts_ns);
        Some(self)
    }
}

fn parse_bytes(text: &str) -> Result<u64> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'K' | 'k')) => (text.get(..at), 1 << 10),
        Some((at, 'M' | 'm')) => (text.get(..at), 1 << 20),
        Some((at, 'G' | 'g')) => (text.get(..at), 1 << 30),
        _ => (Some(text), 1_u64),
    };
    match digits
        .and_then(|d| d.parse::<u64>().ok())
        .and_then(|n| n.checked_mul(unit))
    {
        Some(bytes) => Ok(bytes),
        None => bail!("{text} is not a number of bytes such as 500M or 2G"),
    }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    fn small(path: &Path) {
        let mut writer = Writer::create(path, link::ETHERNET, 60, Precision::Nano).unwrap();
        for n in 0..20_u8 {
            let mut frame = Vec::new();
            PacketBuilder::ethernet2([2; 6], [4; 6])
                .ipv4([10, 1, 0, n], [203, 0, 113, 9], 64)
                .udp(1000, 2000)
                .write(&mut frame, &[n; 100])
                .unwrap();
            let wire_len = u32::try_from(frame.len()).unwrap();
            writer
                .write(EPOCH_NS + u64::from(n) * 1_000_000_007, wire_len, &frame)
                .unwrap();
        }
        writer.finish().unwrap();
    }

    #[test]
    fn copies_are_in_time_order_and_whole_again() {
        let input = std::env::temp_dir().join(format!("multiply-in-{}.pcap", std::process::id()));
        let out = std::env::temp_dir().join(format!("multiply-out-{}.pcap", std::process::id()));
        small(&input);
        let multiply = Multiply {
            inputs: vec![input.clone(), input.clone()],
            once: vec![input.clone()],
            out: out.clone(),
            bytes: 100_000,
            snaplen: 65535,
            spread: 5,
            fill: true,
            seed: 1,
        };
        multiply.run().unwrap();
        let capture = Capture::read(&out).unwrap();
        std::fs::remove_file(&input).unwrap();
        std::fs::remove_file(&out).unwrap();
        assert!(capture.packets.is_sorted_by_key(|p| p.ts_ns));
        let (once, copied): (Vec<_>, Vec<_>) = capture
            .packets
            .iter()
            .partition(|packet| packet.data.len() == 60);
        assert_eq!(once.len(), 20, "one copy, as it was recorded");
        assert!(copied.len() * (142 + 16) >= 100_000);
        for packet in copied {
            let mut again = packet.data.clone();
            assert_eq!(again.len(), 142);
            Layout::of(&packet.data).unwrap().sum_transport(&mut again);
            assert_eq!(again, packet.data);
        }
    }

    #[test]
    fn a_head_is_cut_where_it_does_not_end() {
        for (frame, cut) in [
            (&b"..HTTP/1.1 200 OK\r\nServer: ngi"[..], true),
            (b"..GET / HTTP/1.1\r\nHost: a\r\n\r\n", false),
            (b"..HTTP/1.1 200 OK\r\n\r\nbody", false),
            (b"\x16\x03\x01", false),
            (b"", false),
        ] {
            assert_eq!(is_cut_in_head(frame), cut, "{frame:?}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("7", Some(7)),
            ("2G", Some(2 << 30)),
            ("3k", Some(3072)),
            ("", None),
            ("G", None),
            ("x", None),
        ] {
            assert_eq!(parse_bytes(text).ok(), bytes, "{text}");
        }
    }
}
