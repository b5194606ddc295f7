//! Rows of protocols' logs that fit a flow's event, chosen by its port and number.

use flow_table::protocol::dns::{Answer, DnsRecord};
use flow_table::protocol::echo::Echoes;
use flow_table::protocol::files::{Digests, Hashes};
use flow_table::protocol::ftp::{Carried, DataChannel, FtpRecord};
use flow_table::protocol::http::{BodyNote, HttpRecord};
use flow_table::protocol::{Record, Service, SignIn, SignInOutcome};
use flow_table::{FlowEvent, PerSide, ProtocolRow, Side};

/// What a detector may be told when this happens.
pub(crate) fn of(event: &FlowEvent) -> Option<ProtocolRow> {
    let number = event.uid.bits() << 8 | u128::from(event.seq);
    let record = match event.id.resp.port {
        53 => Record::Dns(Box::new(question(event, number))),
        80 | 8_080 => Record::Http(Box::new(reply(event, number))),
        22 | 88 => Record::SignIn(Box::new(sign_in(number))),
        23 => transfer(event),
        123 => Record::Echoes(Box::new(Echoes {
            last: event.since,
            messages: PerSide {
                orig: event.turns,
                resp: u32::MAX - event.turns,
            },
            bytes: event.orig.bytes,
        })),
        443 | 4_444 => {
            let service = ["ssh", "http", "", "dns"];
            Record::Misplaced(Box::new(Service(service[(number & 3) as usize])))
        }
        _ => return None,
    };
    Some(ProtocolRow {
        time: event.time,
        uid: event.uid,
        seq: event.seq,
        id: event.id,
        record,
    })
}

/// A name that looks encoded, below one of two domains, or a plain one with an address.
fn question(event: &FlowEvent, number: u128) -> DnsRecord {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let name = match number % 4 {
        0 => format!("www{}.example.com", number % 64),
        1 => format!("{mixed:032x}.t.example.co.uk"),
        _ => format!("{mixed:032x}.example.com"),
    };
    let addr = format!("203.0.113.{}", number % 16);
    DnsRecord {
        ts: event.since,
        proto: event.id.proto,
        trans_id: 1,
        rtt: None,
        query: Some(name.as_bytes().into()),
        qclass: Some(1),
        qtype: [Some(16), Some(65_399), Some(1), None]
            .get(event.seq as usize % 4)
            .copied()
            .flatten(),
        rcode: None,
        aa: false,
        tc: false,
        rd: true,
        ra: false,
        z: 0,
        answers: vec![Answer {
            text: addr.as_bytes().into(),
            ttl: 1,
        }],
        rejected: false,
        opcode: 0,
        netbios: false,
    }
}

/// A program, a file or a page, under one of a few names.
fn reply(event: &FlowEvent, number: u128) -> HttpRecord {
    let one_of = |all: [&str; 4], shift: u32| {
        let text = all[(number >> shift & 3) as usize].as_bytes();
        (!text.is_empty()).then(|| text.into())
    };
    let sniffed = [
        Some("application/x-dosexec"),
        Some("application/zip"),
        Some("text/html"),
        None,
    ];
    let mut reply = HttpRecord::new(event.since, 1);
    reply.method = one_of(["GET", "GET", "HEAD", ""], 0);
    reply.host = one_of(["a.example", "B.EXAMPLE:80", "203.0.113.9", ""], 2);
    reply.uri = one_of(["/a.exe", "/\u{ff}.jpg?x", "", "/"], 4);
    reply.response_body_len = event.resp.bytes;
    reply.status_code = [Some(200), Some(206), Some(404), None][(number >> 6 & 3) as usize];
    reply.resp_bodies = vec![BodyNote {
        number: 1,
        place: None,
        mime_type: sniffed[(number >> 8 & 3) as usize],
        filename: one_of(["", "", "b.ps1", "."], 10),
        content_type: one_of(["", "image/png;", "application/octet-stream", ";"], 12),
    }];
    reply
}

const fn sign_in(number: u128) -> SignIn {
    let outcome = if number.is_multiple_of(16) {
        SignInOutcome::Accepted
    } else {
        SignInOutcome::Refused
    };
    SignIn {
        service: Service("ssh"),
        outcome,
    }
}

/// A channel, what it carries, or the command that is answered when it has.
fn transfer(event: &FlowEvent) -> Record {
    let to = event.id.resp;
    match event.seq % 3 {
        0 => Record::Announced(Box::new(DataChannel {
            passive: true,
            orig_h: event.id.orig.addr,
            resp: to,
        })),
        1 => Record::Carried(Box::new(Carried {
            side: Side::Resp,
            first: event.since,
            last: None,
            mime_type: Some("text/x-shellscript"),
            hashes: Hashes::NONE,
            digests: Digests::default(),
        })),
        _ => Record::Ftp(Box::new(FtpRecord {
            ts: event.since,
            user: None,
            password: None,
            command: b"RETR".as_slice().into(),
            arg: Some(b"ftp://203.0.113.9/a".as_slice().into()),
            file_size: None,
            reply_code: Some(226),
            reply_msg: None,
            data_channel: None,
            transfer: Some(to),
            file: None,
        })),
    }
}
