//! The same packets under another link type, as a tap on another kind of interface would see them.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use crate::frame::{IPV4, IPV6, payload};
use crate::pcap::{Capture, Precision, Writer, link};

#[derive(Args)]
pub(crate) struct Relink {
    /// An Ethernet capture
    input: PathBuf,
    /// The link type to write
    #[arg(long, value_enum)]
    to: Target,
    /// The file to write
    #[arg(long)]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Target {
    /// BSD loopback; what is not IP is left out
    Null,
    /// No link layer; what is not IP is left out
    Raw,
    /// Linux cooked
    Sll,
    /// Linux cooked, second version
    Sll2,
    /// Ethernet with an 802.1Q tag (VLAN 10)
    Vlan,
    /// Ethernet with 802.1ad and 802.1Q tags (VLAN 100, then 10)
    Qinq,
}

impl Target {
    fn link(self) -> u32 {
        match self {
            Self::Null => link::NULL,
            Self::Raw => link::RAW,
            Self::Sll => link::SLL,
            Self::Sll2 => link::SLL2,
            Self::Vlan | Self::Qinq => link::ETHERNET,
        }
    }
}

impl Relink {
    pub(crate) fn run(&self) -> Result<()> {
        let capture = Capture::read(&self.input)?;
        ensure!(
            capture.link == link::ETHERNET,
            "{}: not an Ethernet capture",
            self.input.display()
        );
        let mut out = Writer::create(&self.out, self.to.link(), 1 << 18, Precision::Micro)?;
        for packet in &capture.packets {
            if let Some((header, from)) = relinked(&packet.data, self.to) {
                let body = packet.data.get(from..).unwrap_or_default();
                let wire_len =
                    packet.wire_len + u32::try_from(header.len())? - u32::try_from(from)?;
                out.write(packet.ts_ns, wire_len, &[&header, body].concat())?;
            }
        }
        out.finish()?;
        Ok(())
    }
}

/// The new link header, and from where on the frame stays.
fn relinked(frame: &[u8], to: Target) -> Option<(Vec<u8>, usize)> {
    let (kind, at) = payload(frame)?;
    let source = frame.get(6..12)?;
    let ip = matches!(kind, IPV4 | IPV6);
    let kind_bytes = kind.to_be_bytes();
    match to {
        Target::Null => {
            let family: u32 = if kind == IPV4 { 2 } else { 30 };
            ip.then(|| (family.to_le_bytes().to_vec(), at))
        }
        Target::Raw => ip.then(|| (Vec::new(), at)),
        Target::Sll => Some((
            [&[0, 0, 0, 1, 0, 6], source, &[0, 0], &kind_bytes].concat(),
            at,
        )),
        Target::Sll2 => Some((
            [
                &kind_bytes,
                &[0, 0, 0, 0, 0, 1, 0, 1, 0, 6][..],
                source,
                &[0, 0],
            ]
            .concat(),
            at,
        )),
        Target::Vlan => Some(([frame.get(..12)?, &[0x81, 0, 0, 10]].concat(), 12)),
        Target::Qinq => Some((
            [frame.get(..12)?, &[0x88, 0xa8, 0, 100, 0x81, 0, 0, 10]].concat(),
            12,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let arp = [&[2; 12][..], &[8, 6], &[0; 28]].concat();
        let ip = [&[2; 12][..], &[8, 0], &[0x45; 20]].concat();
        let cases = [
            (Target::Null, None, Some((4, 14))),
            (Target::Raw, None, Some((0, 14))),
            (Target::Sll, Some((16, 14)), Some((16, 14))),
            (Target::Sll2, Some((20, 14)), Some((20, 14))),
            (Target::Vlan, Some((16, 12)), Some((16, 12))),
            (Target::Qinq, Some((20, 12)), Some((20, 12))),
        ];
        for (to, of_arp, of_ip) in cases {
            let found =
                |frame: &[u8]| relinked(frame, to).map(|(header, from)| (header.len(), from));
            assert_eq!(found(&arp), of_arp);
            assert_eq!(found(&ip), of_ip);
        }
    }
}
