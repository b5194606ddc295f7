//! What Windows hosts speak, as far as conn.log's `service` tells of it: SMB and DCE/RPC, what is
//! inside of SMB's pipes, and how somebody signs in (SPNEGO, NTLM, Kerberos).
//!
//! Only the first [`MAX_MESSAGES`] messages of a flow are looked at, and of each the first 4 KiB.

use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::frames::Frames;
use super::{Parser, Progress, Service, Sink};
use crate::{PerSide, Side, Timestamp};

/// Messages of a flow that are looked at.
pub const MAX_MESSAGES: u16 = 128;

/// Object identifiers with tag and length: SPNEGO's (RFC 4178, 4.2), and Kerberos' before a
/// request for access (RFC 4121, 4.1).
const SPNEGO: &[u8] = b"\x06\x06\x2b\x06\x01\x05\x05\x02";
const KERBEROS: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00\x6e";
const NTLM: &[u8] = b"NTLMSSP\0";

const SMB: Service = Service("smb");
const DCE_RPC: Service = Service("dce_rpc");

/// Services that were told already.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
struct Told {
    names: [bool; 5],
}

impl Told {
    fn tell(&mut self, service: Service, sink: &mut dyn Sink) {
        let place = match service.0 {
            "smb" => 0,
            "dce_rpc" => 1,
            "gssapi" => 2,
            "ntlm" => 3,
            _ => 4,
        };
        let told = self.names.get_mut(place);
        if told.is_some_and(|told| !std::mem::replace(told, true)) {
            sink.confirm(service);
        }
    }

    /// How somebody signs in, by what there is before Kerberos is looked into.
    fn tokens(&mut self, message: &[u8], sink: &mut dyn Sink) {
        for (mark, name) in [(SPNEGO, "gssapi"), (NTLM, "ntlm")] {
            if memmem::find(message, mark).is_some() {
                self.tell(Service(name), sink);
            }
        }
    }

    fn kerberos(&mut self, message: &[u8], sink: &mut dyn Sink) {
        if memmem::find(message, KERBEROS).is_some() {
            self.tell(Service("krb"), sink);
        }
    }
}

/// The parser of a flow of SMB.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct Smb {
    frames: PerSide<Frames>,
    messages: u16,
    requests: u16,
    told: Told,
}

impl Smb {
    fn message(&mut self, side: Side, message: &[u8], sink: &mut dyn Sink) {
        self.messages = self.messages.saturating_add(1);
        let body = message.get(4..).unwrap_or_default();
        let (signs_in, carries) = match body {
            // SMB 1: negotiate and session setup; transaction, read, write.
            [0xff, b'S', b'M', b'B', command, ..] => (
                matches!(command, 0x72 | 0x73),
                matches!(command, 0x25 | 0x2e | 0x2f),
            ),
            // SMB 2: the same; read, write, control.
            [0xfe, b'S', b'M', b'B', ..] => {
                let command = body.get(12).copied().unwrap_or(u8::MAX);
                (command <= 1, matches!(command, 8 | 9 | 11))
            }
            // Compressed, encrypted, or of the session below.
            _ => return,
        };
        self.requests = self.requests.saturating_add(u16::from(side == Side::Orig));
        if signs_in {
            self.told.tokens(body, sink);
        }
        if carries && has_bind(body) {
            self.told.tell(DCE_RPC, sink);
        }
        // One message might be of anything.
        if self.requests >= 2 {
            self.told.tell(SMB, sink);
        }
        if signs_in {
            self.told.kerberos(body, sink);
        }
    }
}

impl Parser for Smb {
    fn data(&mut self, side: Side, _: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
        let length = |head: &[u8]| {
            let [_, high, mid, low] = *head.first_chunk()?;
            Some(4 + u64::from(u32::from_be_bytes([0, high, mid, low])))
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let next = self.frames.get_mut(side).next(rest, 4, length);
            let Some((used, message)) = next else {
                return Progress::Done;
            };
            if let Some(message) = message {
                self.message(side, &message, sink);
            }
            rest = rest.get(used..).unwrap_or_default();
        }
        going(self.messages)
    }

    fn gap(&mut self, side: Side, _: Timestamp, len: u64, _: &mut dyn Sink) -> Progress {
        if self.frames.get_mut(side).gap(len) {
            return Progress::Going;
        }
        Progress::Done
    }

    fn held(&self) -> usize {
        self.frames.orig.held() + self.frames.resp.held()
    }
}

const fn going(messages: u16) -> Progress {
    if messages < MAX_MESSAGES {
        Progress::Going
    } else {
        Progress::Done
    }
}

/// Whether somebody binds to an interface (C706, 12.6.4.3), or is let.
fn has_bind(body: &[u8]) -> bool {
    memmem::find_iter(body, b"\x05\x00").any(|at| {
        let header = body.get(at..at + 8);
        header.is_some_and(|header| matches!(header, [_, _, 11 | 12, _, 0x10, 0, 0, 0]))
    })
}

/// Whether there is a signature of NTLM's at the end (C706, 13.2.6.1; MS-RPCE, 2.2.1.1.7).
fn is_signed_by_ntlm(message: &[u8]) -> bool {
    const TRAILER: usize = 8;
    let len = message.get(10..12).and_then(|len| len.first_chunk());
    let len = len.map_or(0, |len| usize::from(u16::from_le_bytes(*len)));
    let trailer = message.len().checked_sub(len + TRAILER);
    len > 0 && trailer.and_then(|at| message.get(at)) == Some(&10)
}

/// The parser of a flow of connection-oriented DCE/RPC.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct DceRpc {
    frames: PerSide<Frames>,
    messages: u16,
    told: Told,
}

impl Parser for DceRpc {
    fn data(&mut self, side: Side, _: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
        let length = |head: &[u8]| {
            let len = *head.get(8..10)?.first_chunk()?;
            Some(u64::from(match head.get(4)? {
                0x10 => u16::from_le_bytes(len),
                _ => u16::from_be_bytes(len),
            }))
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let next = self.frames.get_mut(side).next(rest, 10, length);
            let Some((used, message)) = next else {
                return Progress::Done;
            };
            if let Some(message) = message {
                self.messages = self.messages.saturating_add(1);
                // Bind, its answer, and what changes it.
                if matches!(message.get(2), Some(11..=16)) {
                    self.told.tokens(&message, sink);
                }
                if is_signed_by_ntlm(&message) {
                    self.told.tell(Service("ntlm"), sink);
                }
                self.told.tell(DCE_RPC, sink);
            }
            rest = rest.get(used..).unwrap_or_default();
        }
        going(self.messages)
    }

    fn gap(&mut self, side: Side, _: Timestamp, len: u64, _: &mut dyn Sink) -> Progress {
        if self.frames.get_mut(side).gap(len) {
            return Progress::Going;
        }
        Progress::Done
    }

    fn held(&self) -> usize {
        self.frames.orig.held() + self.frames.resp.held()
    }
}

#[cfg(test)]
mod tests;
