//! Where the addresses and checksums of an Ethernet frame are, found once and used for every copy.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::addresses::Renaming;
use crate::checksum;

pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const QINQ: u16 = 0x88a8;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP6: u8 = 58;

/// The fields of a frame that change when its hosts are renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    net: Net,
    /// Where the packet begins.
    at: usize,
    transport: Option<Transport>,
    /// Where the packet that an ICMP error quotes begins.
    quoted: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Net {
    V4,
    V6,
}

/// A transport whose checksum covers the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Transport {
    at: usize,
    proto: u8,
    checksum_at: usize,
}

impl Layout {
    /// The layout of a frame that carries IP.
    pub(crate) fn of(frame: &[u8]) -> Option<Self> {
        let (kind, at) = payload(frame)?;
        match kind {
            IPV4 => Self::v4(frame, at),
            IPV6 => Self::v6(frame, at),
            _ => None,
        }
    }

    fn v4(frame: &[u8], at: usize) -> Option<Self> {
        let header_len = usize::from(frame.get(at)? & 0x0f) * 4;
        let first_fragment = read_u16(frame, at + 6)? << 3 == 0;
        let proto = *frame.get(at + 9)?;
        frame.get(at + 19)?;
        let next = at + header_len;
        let kind = frame.get(next).copied();
        let error = proto == ICMP && first_fragment && matches!(kind, Some(3 | 4 | 5 | 11 | 12));
        Some(Self {
            net: Net::V4,
            at,
            transport: if first_fragment {
                Transport::of(proto, next)
            } else {
                None
            },
            quoted: error.then_some(next + 8),
        })
    }

    /// Extension headers are left alone: a fragment's checksum is over the whole, which is renamed alike.
    fn v6(frame: &[u8], at: usize) -> Option<Self> {
        frame.get(at + 39)?;
        let mut proto = *frame.get(at + 6)?;
        let mut next = at + 40;
        let mut first_fragment = true;
        while matches!(proto, 0 | 43 | 44 | 60) {
            let fragment = proto == 44;
            first_fragment &=
                !fragment || read_u16(frame, next + 2).is_some_and(|o| o & 0xfff8 == 0);
            let length = if fragment {
                8
            } else {
                usize::from(frame.get(next + 1).copied()?) * 8 + 8
            };
            proto = *frame.get(next)?;
            next += length;
        }
        let transport = if first_fragment {
            Transport::of(proto, next)
        } else {
            None
        };
        Some(Self {
            net: Net::V6,
            at,
            transport,
            quoted: None,
        })
    }

    /// Gives every host of the frame the address it has in a copy.
    pub(crate) fn rename(self, frame: &mut [u8], renaming: Renaming) {
        match self.net {
            Net::V4 => {
                self.rename_v4(frame, renaming);
                self.rename_quoted(frame, renaming);
            }
            Net::V6 => self.rename_v6(frame, renaming),
        }
    }

    fn rename_v4(self, frame: &mut [u8], renaming: Renaming) {
        let Some(old) = frame
            .get(self.at + 12..)
            .and_then(|b| b.first_chunk::<8>())
            .copied()
        else {
            return;
        };
        let both = u64::from_be_bytes(old);
        let [source, destination] = [both >> 32, both & 0xffff_ffff]
            .map(|a| renaming.v4(Ipv4Addr::from(u32::try_from(a).unwrap_or_default())));
        let new =
            (u64::from(u32::from(source)) << 32 | u64::from(u32::from(destination))).to_be_bytes();
        write(frame, self.at + 12, &new);
        if let Some(sum) = read_u16(frame, self.at + 10) {
            write(
                frame,
                self.at + 10,
                &checksum::adjust(sum, &old, &new).to_be_bytes(),
            );
        }
        self.adjust_transport(frame, &old, &new);
    }

    /// Renames in the packet that an ICMP error quotes. Its IP header's checksum makes up for the
    /// addresses in ICMP's checksum; its transport's has to be accounted for.
    fn rename_quoted(self, frame: &mut [u8], renaming: Renaming) {
        let Some(quoted) = self.quoted.and_then(|at| Self::v4(frame, at)) else {
            return;
        };
        let quoted = Self {
            quoted: None,
            ..quoted
        };
        let sum_at = quoted.transport.map_or(0, |t| t.checksum_at);
        let before = read_u16(frame, sum_at);
        quoted.rename_v4(frame, renaming);
        let after = read_u16(frame, sum_at);
        if let (Some(before), Some(after), Some(icmp)) = (before, after, self.transport)
            && let Some(sum) = read_u16(frame, icmp.checksum_at)
        {
            let sum = checksum::adjust(sum, &before.to_be_bytes(), &after.to_be_bytes());
            write(frame, icmp.checksum_at, &sum.to_be_bytes());
        }
    }

    fn rename_v6(self, frame: &mut [u8], renaming: Renaming) {
        for at in [self.at + 8, self.at + 24] {
            let Some(old) = frame.get(at..).and_then(|b| b.first_chunk::<16>()).copied() else {
                return;
            };
            let new = renaming.v6(Ipv6Addr::from(old)).octets();
            write(frame, at, &new);
            self.adjust_transport(frame, &old, &new);
        }
    }

    fn adjust_transport(self, frame: &mut [u8], old: &[u8], new: &[u8]) {
        let Some(transport) = self.transport.filter(|t| t.covers_addresses()) else {
            return;
        };
        let Some(sum) = read_u16(frame, transport.checksum_at) else {
            return;
        };
        if transport.proto == UDP && sum == 0 && self.net == Net::V4 {
            return;
        }
        let sum = transport.no_zero(checksum::adjust(sum, old, new));
        write(frame, transport.checksum_at, &sum.to_be_bytes());
    }

    /// Makes the transport checksum right for a whole, unfragmented packet.
    pub(crate) fn sum_transport(self, frame: &mut [u8]) {
        let Some(transport) = self.transport else {
            return;
        };
        let addresses = match self.net {
            Net::V4 => self.at + 12..self.at + 20,
            Net::V6 => self.at + 8..self.at + 40,
        };
        let Some(end) = self.end(frame) else { return };
        write(frame, transport.checksum_at, &[0, 0]);
        let Some(segment) = frame.get(transport.at..end) else {
            return;
        };
        let mut sum = checksum::add(0, segment);
        if transport.covers_addresses() {
            sum = checksum::add(sum, frame.get(addresses).unwrap_or_default());
            sum += u64::from(transport.proto) + segment.len() as u64;
        }
        let sum = transport.no_zero(checksum::finish(sum));
        write(frame, transport.checksum_at, &sum.to_be_bytes());
    }

    /// Where the packet ends by its own length, if it is no fragment.
    fn end(self, frame: &[u8]) -> Option<usize> {
        match self.net {
            Net::V4 if read_u16(frame, self.at + 6)? & 0x3fff != 0 => None,
            Net::V4 => Some(self.at + usize::from(read_u16(frame, self.at + 2)?)),
            Net::V6 if frame.get(self.at + 6) == Some(&44) => None,
            Net::V6 => Some(self.at + 40 + usize::from(read_u16(frame, self.at + 4)?)),
        }
    }
}

impl Transport {
    fn of(proto: u8, at: usize) -> Option<Self> {
        let offset = match proto {
            TCP => 16,
            UDP => 6,
            ICMP | ICMP6 => 2,
            _ => return None,
        };
        Some(Self {
            at,
            proto,
            checksum_at: at + offset,
        })
    }

    fn covers_addresses(self) -> bool {
        self.proto != ICMP
    }

    /// UDP says "no checksum" with zero, and zero with all ones.
    fn no_zero(self, sum: u16) -> u16 {
        if self.proto == UDP && sum == 0 {
            u16::MAX
        } else {
            sum
        }
    }
}

/// The Ethernet type of a frame's payload and where that begins, behind any VLAN tags.
pub(crate) fn payload(frame: &[u8]) -> Option<(u16, usize)> {
    let mut at = 12;
    loop {
        match read_u16(frame, at)? {
            VLAN | QINQ => at += 4,
            kind => return Some((kind, at + 2)),
        }
    }
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)
        .and_then(|b| b.first_chunk())
        .map(|b| u16::from_be_bytes(*b))
}

fn write(bytes: &mut [u8], at: usize, new: &[u8]) {
    if let Some(to) = bytes.get_mut(at..at + new.len()) {
        to.copy_from_slice(new);
    }
}

#[cfg(test)]
mod tests {
    use etherparse::icmpv4::DestUnreachableHeader;
    use etherparse::{Icmpv4Type, PacketBuilder, checksum::u32_16bit_word};

    use super::*;

    fn frames() -> Vec<(&'static str, Vec<u8>)> {
        let eth = || PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let v4 = || eth().ipv4([10, 1, 0, 66], [203, 0, 113, 9], 64);
        let v6 = || eth().ipv6([0xfd; 16], [0x20; 16], 64);
        let mut frames = Vec::new();
        let mut push = |name, write: &dyn Fn(&mut Vec<u8>)| {
            let mut frame = Vec::new();
            write(&mut frame);
            frames.push((name, frame));
        };
        push("tcp4", &|f| v4().tcp(1, 2, 3, 4).write(f, b"odd").unwrap());
        push("udp4", &|f| v4().udp(1, 2).write(f, b"even").unwrap());
        push("icmp4", &|f| {
            v4().icmpv4_echo_request(1, 2).write(f, b"ping").unwrap();
        });
        push("tcp6", &|f| v6().tcp(1, 2, 3, 4).write(f, b"odd").unwrap());
        push("udp6", &|f| v6().udp(1, 2).write(f, b"even").unwrap());
        push("icmp6", &|f| {
            v6().icmpv6_echo_request(1, 2).write(f, b"ping").unwrap();
        });
        let mut quoted = Vec::new();
        PacketBuilder::ipv4([203, 0, 113, 9], [10, 1, 0, 66], 64)
            .udp(1, 2)
            .write(&mut quoted, b"even")
            .unwrap();
        push("icmp4 error", &|f| {
            let unreachable = Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Port);
            v4().icmpv4(unreachable).write(f, &quoted).unwrap();
        });
        push("vlan", &|f| {
            PacketBuilder::ethernet2([2; 6], [4; 6])
                .single_vlan(7.try_into().unwrap())
                .ipv4([10, 1, 0, 66], [10, 1, 0, 10], 64)
                .udp(1, 2)
                .write(f, b"tag")
                .unwrap();
        });
        frames
    }

    #[test]
    fn renamed_frames_have_right_checksums() {
        for (name, original) in frames() {
            let layout = Layout::of(&original).unwrap();
            let mut summed = original.clone();
            layout.sum_transport(&mut summed);
            assert_eq!(
                summed, original,
                "{name}: the sum differs from etherparse's"
            );
            let mut renamed = original.clone();
            layout.rename(&mut renamed, Renaming::of(3));
            assert_ne!(renamed, original, "{name}");
            let mut again = renamed.clone();
            layout.sum_transport(&mut again);
            assert_eq!(again, renamed, "{name}: adjusting differs from summing");
            if layout.net == Net::V4 {
                let header: &[u8] = &renamed[layout.at..layout.at + 20];
                let sum = header
                    .chunks_exact(2)
                    .fold(0, |sum, w| u32_16bit_word::add_2bytes(sum, [w[0], w[1]]));
                assert_eq!(u32_16bit_word::ones_complement(sum), 0, "{name}");
            }
        }
    }

    #[test]
    fn cut_frames_have_a_layout_or_none() {
        for (name, frame) in frames() {
            for cut in 0..frame.len() {
                let mut frame = frame[..cut].to_vec();
                if let Some(layout) = Layout::of(&frame) {
                    layout.rename(&mut frame, Renaming::of(3));
                    layout.sum_transport(&mut frame);
                }
                assert_eq!(frame.len(), cut, "{name}");
            }
        }
    }
}
