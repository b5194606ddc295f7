//! Floods. What a mirror port beside the victim would show: the flood in, and what the victim answers.

use std::fs::File;
use std::io::BufWriter;
use std::iter;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use etherparse::PacketBuilder;

use crate::addresses::{CLIENTS, scramble, spoofed};
use crate::pcap::{EPOCH_NS, Precision, Writer, link};

type Out = Writer<BufWriter<File>>;

const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 1];
const VICTIM: [u8; 6] = [2, 0, 10, 1, 0, 80];
const SECOND_NS: u64 = 1_000_000_000;
/// Between the packets of an ordinary flow.
const STEP_NS: u64 = 12_000_000;
const ANSWER_NS: u64 = 50_000;

/// What all floods are told.
#[derive(Args)]
struct Common {
    /// The file to write
    #[arg(long)]
    out: PathBuf,
    /// Packets of the flood
    #[arg(long)]
    packets: u64,
    /// Distinct spoofed sources; they are used in turn
    #[arg(long)]
    sources: usize,
    /// Packets per second
    #[arg(long)]
    rate: u64,
    /// The victim
    #[arg(long)]
    dst: Ipv4Addr,
    /// The victim's port
    #[arg(long)]
    dst_port: u16,
    /// Bytes kept of each packet
    #[arg(long, default_value_t = 65535)]
    snaplen: u32,
    /// Chooses the sources and ports
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What time stamps count
    #[arg(long, value_enum, default_value = "micro")]
    precision: Precision,
}

impl Common {
    fn create(&self) -> Result<Out> {
        ensure!(
            self.rate > 0 && self.sources > 0,
            "--rate and --sources must not be 0"
        );
        Writer::create(&self.out, link::ETHERNET, self.snaplen, self.precision)
    }

    /// The addresses of the flood's packets in turn.
    fn sources(&self) -> impl Iterator<Item = Ipv4Addr> {
        // As many sources as packets need no repetition, hence no memory.
        let enough = self.sources as u64 >= self.packets;
        let kept: Vec<_> = spoofed(self.seed)
            .take(if enough { 0 } else { self.sources })
            .collect();
        let fresh = spoofed(self.seed).take(if enough { usize::MAX } else { 0 });
        fresh.chain(
            iter::repeat_with(move || kept.clone())
                .take_while(|k| !k.is_empty())
                .flatten(),
        )
    }

    fn at(&self, packet: u64) -> u64 {
        let whole = packet / self.rate * SECOND_NS;
        EPOCH_NS + whole + packet % self.rate * SECOND_NS / self.rate
    }

    fn port_of(&self, packet: u64) -> u16 {
        let [high, low, ..] =
            scramble(u32::try_from((packet ^ self.seed) & 0xffff_ffff).unwrap_or_default())
                .to_be_bytes();
        u16::from_be_bytes([high, low]) | 1024
    }
}

#[derive(Args)]
pub(crate) struct SynFlood {
    #[command(flatten)]
    common: Common,
    /// Complete ordinary flows to the victim's port, spread over the time of the flood
    #[arg(long, default_value_t = 0)]
    real_flows: u32,
    /// SYNs the victim answers before its queue is full
    #[arg(long, default_value_t = 128)]
    answered: u64,
}

impl SynFlood {
    pub(crate) fn run(&self) -> Result<()> {
        let mut out = self.common.create()?;
        let mut frame = Vec::with_capacity(2048);
        let mut ordinary = self.ordinary().into_iter().peekable();
        for (packet, source) in (0..self.common.packets).zip(self.common.sources()) {
            let now = self.common.at(packet);
            while let Some(step) = ordinary.next_if(|step| step.ts_ns <= now) {
                self.write_step(&mut out, &step, &mut frame)?;
            }
            let port = self.common.port_of(packet);
            let number = scramble(u32::from(source));
            frame.clear();
            PacketBuilder::ethernet2(ROUTER, VICTIM)
                .ipv4(source.octets(), self.common.dst.octets(), 49)
                .tcp(port, self.common.dst_port, number, 512)
                .syn()
                .write(&mut frame, &[])?;
            out.write(now, 54, &frame)?;
            if packet < self.answered {
                frame.clear();
                PacketBuilder::ethernet2(VICTIM, ROUTER)
                    .ipv4(self.common.dst.octets(), source.octets(), 64)
                    .tcp(self.common.dst_port, port, scramble(number), 64240)
                    .syn()
                    .ack(number.wrapping_add(1))
                    .write(&mut frame, &[])?;
                out.write(
                    now + ANSWER_NS.min(SECOND_NS / self.common.rate / 2),
                    54,
                    &frame,
                )?;
            }
        }
        for step in ordinary {
            self.write_step(&mut out, &step, &mut frame)?;
        }
        out.finish()?;
        Ok(())
    }

    /// The packets of the ordinary flows, in time order.
    fn ordinary(&self) -> Vec<Step> {
        let span = self.common.at(self.common.packets) - EPOCH_NS;
        let mut steps: Vec<_> = (0..self.real_flows)
            .flat_map(|flow| {
                let begin =
                    EPOCH_NS + (u64::from(flow) * 2 + 1) * span / (u64::from(self.real_flows) * 2);
                (0..11).map(move |number| Step {
                    ts_ns: begin + number * STEP_NS,
                    flow,
                    number,
                })
            })
            .collect();
        steps.sort_by_key(|step| (step.ts_ns, step.flow, step.number));
        steps
    }

    fn write_step(&self, out: &mut Out, step: &Step, frame: &mut Vec<u8>) -> Result<()> {
        const REQUEST: [u8; 180] = [b'q'; 180];
        const RESPONSE: [u8; 1200] = [b'a'; 1200];
        let client = Ipv4Addr::from(CLIENTS + 10 + step.flow % 0xffff);
        let client_port = 40_000 + u16::try_from(step.flow % 20_000)?;
        let begin = scramble(step.flow);
        let server_begin = scramble(begin);
        let (from_client, flags, sent, received, data): (bool, _, u32, u32, &[u8]) =
            match step.number {
                0 => (true, "S", 0, 0, &[]),
                1 => (false, "SA", 0, 1, &[]),
                2 => (true, "A", 1, 1, &[]),
                3 => (true, "A", 1, 1, &REQUEST),
                4 => (false, "A", 1, 181, &[]),
                5 => (false, "A", 1, 181, &RESPONSE),
                6 => (true, "A", 181, 1201, &[]),
                7 => (true, "FA", 181, 1201, &[]),
                8 => (false, "A", 1201, 182, &[]),
                9 => (false, "FA", 1201, 182, &[]),
                _ => (true, "A", 182, 1202, &[]),
            };
        let (macs, ip, ports, own, peer) = if from_client {
            let ports = (client_port, self.common.dst_port);
            (
                (ROUTER, VICTIM),
                (client, self.common.dst),
                ports,
                begin,
                server_begin,
            )
        } else {
            let ports = (self.common.dst_port, client_port);
            (
                (VICTIM, ROUTER),
                (self.common.dst, client),
                ports,
                server_begin,
                begin,
            )
        };
        let mut packet = PacketBuilder::ethernet2(macs.0, macs.1)
            .ipv4(ip.0.octets(), ip.1.octets(), 57)
            .tcp(ports.0, ports.1, own.wrapping_add(sent), 64240);
        if flags.contains('S') {
            packet = packet.syn();
        }
        if flags.contains('F') {
            packet = packet.fin();
        }
        if flags.contains('A') {
            packet = packet.ack(peer.wrapping_add(received));
        }
        frame.clear();
        packet.write(frame, data)?;
        out.write(step.ts_ns, u32::try_from(frame.len())?, frame)
    }
}

/// One packet of an ordinary flow.
struct Step {
    ts_ns: u64,
    flow: u32,
    number: u64,
}

#[derive(Args)]
pub(crate) struct ManyToOne {
    #[command(flatten)]
    common: Common,
    /// Bytes of payload in each datagram
    #[arg(long, default_value_t = 1400)]
    payload: u16,
}

impl ManyToOne {
    pub(crate) fn run(&self) -> Result<()> {
        let mut out = self.common.create()?;
        let payload = vec![0; usize::from(self.payload)];
        let mut frame = Vec::with_capacity(payload.len() + 64);
        for (packet, source) in (0..self.common.packets).zip(self.common.sources()) {
            frame.clear();
            PacketBuilder::ethernet2(ROUTER, VICTIM)
                .ipv4(source.octets(), self.common.dst.octets(), 49)
                .udp(
                    self.common.port_of(packet % self.common.sources as u64),
                    self.common.dst_port,
                )
                .write(&mut frame, &payload)?;
            out.write(self.common.at(packet), u32::try_from(frame.len())?, &frame)?;
        }
        out.finish()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::pcap::Capture;

    fn common(name: &str, packets: u64, sources: usize) -> Common {
        Common {
            out: std::env::temp_dir().join(format!("flood-{name}-{}.pcap", std::process::id())),
            packets,
            sources,
            rate: 1000,
            dst: Ipv4Addr::new(10, 1, 0, 80),
            dst_port: 443,
            snaplen: 65535,
            seed: 3,
            precision: Precision::Micro,
        }
    }

    fn read(common: &Common) -> Capture {
        let capture = Capture::read(&common.out).unwrap();
        std::fs::remove_file(&common.out).unwrap();
        assert!(capture.packets.is_sorted_by_key(|p| p.ts_ns));
        capture
    }

    #[test]
    fn syn_flood_has_what_was_asked() {
        for (name, sources, distinct) in [("fresh", 500, 500), ("turns", 20, 20)] {
            let flood = SynFlood {
                common: common(name, 500, sources),
                real_flows: 4,
                answered: 10,
            };
            flood.run().unwrap();
            let capture = read(&flood.common);
            assert_eq!(capture.packets.len(), 500 + 10 + 4 * 11, "{name}");
            let spoofed: HashSet<_> = capture
                .packets
                .iter()
                .filter(|p| p.data[47] == 2 && p.data[22] == 49)
                .map(|p| p.data[26..30].to_vec())
                .collect();
            assert_eq!(spoofed.len(), distinct, "{name}");
        }
    }

    #[test]
    fn many_to_one_is_cut_to_the_snap_length() {
        let flood = ManyToOne {
            common: Common {
                snaplen: 60,
                ..common("udp", 300, 7)
            },
            payload: 1000,
        };
        flood.run().unwrap();
        let capture = read(&flood.common);
        assert_eq!(capture.packets.len(), 300);
        assert!(
            capture
                .packets
                .iter()
                .all(|p| p.data.len() == 60 && p.wire_len == 1042)
        );
    }
}
