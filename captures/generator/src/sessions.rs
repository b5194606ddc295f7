//! Ordinary sessions between people inside and servers outside: what a mirror port sees most of the
//! time. Recorded captures are short of the flows between a question with its answer and a bulk transfer.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::BufWriter;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use etherparse::PacketBuilder;

use crate::addresses::scramble;
use crate::pcap::{EPOCH_NS, Precision, Writer, link};

const INSIDE: [u8; 6] = [2, 0, 10, 2, 0, 1];
const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// The largest payload of a segment.
const SEGMENT: u32 = 1448;
const PAYLOAD: [u8; SEGMENT as usize] = [b'x'; SEGMENT as usize];
const MILLISECOND_NS: u64 = 1_000_000;

/// Which sessions there are.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Profile {
    /// Requests and pages, shells, calls and lookups: some 37 packets a flow, 340 bytes a packet
    Day,
    /// Lookups and single requests: some 5 packets a flow
    Churn,
}

#[derive(Args)]
pub(crate) struct Sessions {
    /// The file to write
    #[arg(long)]
    out: PathBuf,
    /// Flows
    #[arg(long)]
    flows: u32,
    /// Seconds over which they begin
    #[arg(long, default_value_t = 300)]
    seconds: u32,
    /// People inside, at most 65,000
    #[arg(long, default_value_t = 250)]
    clients: u32,
    /// Which sessions there are
    #[arg(long, value_enum, default_value = "day")]
    profile: Profile,
    /// Bytes kept of each packet
    #[arg(long, default_value_t = 65535)]
    snaplen: u32,
    /// Chooses who talks to whom, and how much
    #[arg(long, default_value_t = 1)]
    seed: u32,
}

impl Sessions {
    pub(crate) fn run(&self) -> Result<()> {
        ensure!(
            (1..=65_000).contains(&self.clients),
            "--clients must be 1 to 65000"
        );
        let mut out = Writer::create(&self.out, link::ETHERNET, self.snaplen, Precision::Micro)?;
        let mut waiting: BinaryHeap<Reverse<Step>> = BinaryHeap::new();
        let mut frame = Vec::with_capacity(2048);
        let span = u64::from(self.seconds) * 1_000 * MILLISECOND_NS;
        for flow in 0..self.flows {
            let begin = EPOCH_NS + span * u64::from(flow) / u64::from(self.flows);
            while let Some(step) = waiting.pop_if_before(begin) {
                self.write(&mut out, &step, &mut frame)?;
            }
            waiting.extend(self.session(flow, begin).into_iter().map(Reverse));
        }
        while let Some(Reverse(step)) = waiting.pop() {
            self.write(&mut out, &step, &mut frame)?;
        }
        out.finish()?;
        Ok(())
    }

    /// The packets of one session.
    fn session(&self, flow: u32, begin: u64) -> Vec<Step> {
        let mut talk = Talk::new(flow, begin, self.seed);
        match (self.profile, talk.chance(0..16)) {
            (Profile::Day, 0..9) => talk.pages(),
            (Profile::Day, 9..12) => talk.shell(),
            (Profile::Day, 12) => talk.call(),
            (Profile::Churn, 0..6) => talk.request(),
            _ => talk.lookup(),
        }
        talk.steps
    }

    fn write(
        &self,
        out: &mut Writer<BufWriter<File>>,
        step: &Step,
        frame: &mut Vec<u8>,
    ) -> Result<()> {
        let [net, host, ..] = scramble(step.flow ^ self.seed).to_be_bytes();
        let client = scramble(!step.flow ^ self.seed) % self.clients + 1;
        let client = (
            Ipv4Addr::from(0x0a02_0000 | client).octets(),
            20_000 + u16::try_from(step.flow % 40_000)?,
        );
        let host = if step.port == 53 { 53 } else { host };
        let server = if net < 128 {
            [198, 51, 100, host]
        } else {
            [203, 0, 113, host]
        };
        let server = (server, step.port);
        let ((macs, from), to) = match step.side {
            Side::Client => (((INSIDE, ROUTER), client), server),
            Side::Server => (((ROUTER, INSIDE), server), client),
        };
        let packet = PacketBuilder::ethernet2(macs.0, macs.1).ipv4(from.0, to.0, 64);
        let data = PAYLOAD.get(..usize::from(step.len)).unwrap_or_default();
        frame.clear();
        match step.flags {
            None => packet.udp(from.1, to.1).write(frame, data)?,
            Some(flags) => {
                let mut packet = packet.tcp(from.1, to.1, step.seq, 64_240);
                if flags != Flags::Syn {
                    packet = packet.ack(step.ack);
                }
                match flags {
                    Flags::Syn | Flags::SynAck => packet = packet.syn(),
                    Flags::Fin => packet = packet.fin(),
                    Flags::Ack => {}
                }
                packet.write(frame, data)?;
            }
        }
        out.write(step.ts_ns, u32::try_from(frame.len())?, frame)
    }
}

trait PopIfBefore {
    fn pop_if_before(&mut self, time: u64) -> Option<Step>;
}

impl PopIfBefore for BinaryHeap<Reverse<Step>> {
    fn pop_if_before(&mut self, time: u64) -> Option<Step> {
        let Reverse(first) = self.peek()?;
        (first.ts_ns < time).then(|| self.pop())?.map(|step| step.0)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Client,
    Server,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Flags {
    Syn,
    SynAck,
    Ack,
    Fin,
}

/// One packet.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    ts_ns: u64,
    flow: u32,
    number: u32,
    side: Side,
    /// The server's.
    port: u16,
    /// None in a datagram.
    flags: Option<Flags>,
    seq: u32,
    ack: u32,
    len: u16,
}

/// A session under way.
struct Talk {
    flow: u32,
    now: u64,
    /// What chance said last.
    dice: u32,
    client_seq: u32,
    server_seq: u32,
    steps: Vec<Step>,
}

impl Talk {
    fn new(flow: u32, now: u64, seed: u32) -> Self {
        let dice = scramble(scramble(flow).wrapping_add(seed));
        Self {
            flow,
            now,
            dice,
            client_seq: scramble(dice ^ 1),
            server_seq: scramble(dice ^ 2),
            steps: Vec::new(),
        }
    }

    fn chance(&mut self, range: std::ops::Range<u32>) -> u32 {
        self.dice = scramble(self.dice.wrapping_add(0x9e37_79b9));
        range.start + self.dice % (range.end - range.start).max(1)
    }

    fn wait(&mut self, millis: std::ops::Range<u32>) {
        self.now += u64::from(self.chance(millis)) * MILLISECOND_NS;
    }

    fn say(&mut self, side: Side, port: u16, flags: Option<Flags>, len: u32) {
        self.now += 100_000 + u64::from(self.chance(0..50_000));
        let (seq, ack) = match side {
            Side::Client => (self.client_seq, self.server_seq),
            Side::Server => (self.server_seq, self.client_seq),
        };
        self.steps.push(Step {
            ts_ns: self.now,
            flow: self.flow,
            number: u32::try_from(self.steps.len()).unwrap_or(u32::MAX),
            side,
            port,
            flags,
            seq,
            ack,
            len: u16::try_from(len.min(SEGMENT)).unwrap_or_default(),
        });
        let moved = len + u32::from(flags.is_some_and(|flags| flags != Flags::Ack));
        let own = match side {
            Side::Client => &mut self.client_seq,
            Side::Server => &mut self.server_seq,
        };
        *own = own.wrapping_add(moved);
    }

    fn connect(&mut self, port: u16) {
        self.say(Side::Client, port, Some(Flags::Syn), 0);
        self.wait(5..40);
        self.say(Side::Server, port, Some(Flags::SynAck), 0);
        self.say(Side::Client, port, Some(Flags::Ack), 0);
    }

    fn close(&mut self, port: u16) {
        self.say(Side::Client, port, Some(Flags::Fin), 0);
        self.wait(5..40);
        self.say(Side::Server, port, Some(Flags::Fin), 0);
        self.say(Side::Client, port, Some(Flags::Ack), 0);
    }

    /// A request and its answer, every second segment of which is acknowledged.
    fn exchange(&mut self, port: u16, request: u32, answer: u32) {
        self.say(Side::Client, port, Some(Flags::Ack), request);
        self.wait(5..60);
        let mut left = answer;
        let mut unacknowledged = 0;
        while left > 0 {
            let part = left.min(SEGMENT);
            self.say(Side::Server, port, Some(Flags::Ack), part);
            left -= part;
            unacknowledged += 1;
            if unacknowledged == 2 || left == 0 {
                self.say(Side::Client, port, Some(Flags::Ack), 0);
                unacknowledged = 0;
            }
        }
    }

    /// A page and its parts; one in eight is read for long.
    fn pages(&mut self) {
        let long = self.chance(0..8) == 0;
        let exchanges = self.chance(if long { 10..40 } else { 1..6 });
        self.connect(443);
        for _ in 0..exchanges {
            let (request, answer) = (self.chance(450..900), self.chance(300..3200));
            self.exchange(443, request, answer);
            self.wait(20..900);
        }
        self.close(443);
    }

    /// Little there and little back, at the speed of somebody typing.
    fn shell(&mut self) {
        self.connect(5222);
        for _ in 0..self.chance(8..30) {
            let (request, answer) = (self.chance(36..120), self.chance(36..300));
            self.exchange(5222, request, answer);
            self.wait(100..3_000);
        }
        self.close(5222);
    }

    /// Sound, both ways, fifty times a second.
    fn call(&mut self) {
        for _ in 0..self.chance(40..120) {
            self.say(Side::Client, 3478, None, 172);
            self.say(Side::Server, 3478, None, 172);
            self.wait(20..21);
        }
    }

    fn lookup(&mut self) {
        let (question, answer) = (self.chance(30..60), self.chance(60..110));
        self.say(Side::Client, 53, None, question);
        self.wait(1..30);
        self.say(Side::Server, 53, None, answer);
    }

    fn request(&mut self) {
        let (request, answer) = (self.chance(450..900), self.chance(100..1_400));
        self.connect(443);
        self.exchange(443, request, answer);
        self.close(443);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::pcap::Capture;

    fn written(profile: Profile) -> Capture {
        let name = format!("sessions-{}-{}.pcap", profile as u8, std::process::id());
        let sessions = Sessions {
            out: std::env::temp_dir().join(name),
            flows: 2_000,
            seconds: 60,
            clients: 100,
            profile,
            snaplen: 65535,
            seed: 1,
        };
        sessions.run().unwrap();
        let capture = Capture::read(&sessions.out).unwrap();
        std::fs::remove_file(&sessions.out).unwrap();
        capture
    }

    #[test]
    fn profiles_have_the_proportions_they_claim() {
        for (profile, per_flow, bytes) in [
            (Profile::Day, 33..41, 310..360),
            (Profile::Churn, 4..7, 100..250),
        ] {
            let packets = written(profile).packets;
            assert!(packets.is_sorted_by_key(|packet| packet.ts_ns));
            let total: usize = packets.iter().map(|packet| packet.data.len()).sum();
            let found = (packets.len() / 2_000, total / packets.len());
            assert!(per_flow.contains(&found.0), "{found:?}");
            assert!(bytes.contains(&found.1), "{found:?}");
            let openings = packets.iter().filter(|packet| {
                let (ports, from_inside) = (&packet.data[34..38], packet.data[26] == 10);
                from_inside && ports[2..] != [0, 53] && packet.data.get(47) == Some(&2)
            });
            let flows: HashSet<_> = openings
                .map(|packet| packet.data[26..38].to_vec())
                .collect();
            assert!(flows.len() > 500, "{}", flows.len());
        }
    }
}
