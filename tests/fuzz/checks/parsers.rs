//! Parsers by themselves, without recognition before them. For any bytes of either side, in any pieces
//! and with holes: what is held has a limit, the parts of a body come in their order, files are as long
//! as what was told of them, and only of whole ones there are digests.

use flow_table::protocol::dhcp::{Dhcp, Transactions};
use flow_table::protocol::dns::Dns;
use flow_table::protocol::files::{Digests, Files, Hashes};
use flow_table::protocol::ftp::Ftp;
use flow_table::protocol::http::{Http, Measure};
use flow_table::protocol::ntp::Ntp;
use flow_table::protocol::quic::Quic;
use flow_table::protocol::rdp::Rdp;
use flow_table::protocol::smtp::Smtp;
use flow_table::protocol::socks::Socks;
use flow_table::protocol::ssh::Ssh;
use flow_table::protocol::tls::{Dtls, Tls};
use flow_table::protocol::windows::{DceRpc, Smb};
use flow_table::protocol::{
    Body, Findings, Parser, Progress, Record, Service, SignIn, Sink, Weird, ftp,
};
use flow_table::{Endpoint, FlowId, IpProto, Side, Timestamp};

/// Bytes before the steps: which parser, and how.
const HEADER: usize = 2;
/// More than any parser may hold.
const MOST: usize = 64 << 20;
/// Where each parser's protocol is at home, in the order of [`parser`].
pub const PORTS: [(IpProto, u16); 14] = [
    (IpProto::UDP, 53),
    (IpProto::TCP, 21),
    (IpProto::TCP, 80),
    (IpProto::TCP, 443),
    (IpProto::UDP, 4_433),
    (IpProto::UDP, 443),
    (IpProto::TCP, 135),
    (IpProto::TCP, 3_389),
    (IpProto::TCP, 445),
    (IpProto::TCP, 1_080),
    (IpProto::TCP, 25),
    (IpProto::TCP, 22),
    (IpProto::UDP, 123),
    (IpProto::UDP, 67),
];

/// Checks a sequence of steps.
pub fn check(data: &[u8]) {
    let Some(([which, how], rest)) = data.split_first_chunk::<HEADER>() else {
        return;
    };
    let which = usize::from(*which) % PORTS.len();
    let (mut proto, port) = PORTS[which];
    if which == 0 && how & 1 != 0 {
        proto = IpProto::TCP;
    }
    let end = |addr: [u8; 4], port| Endpoint::new(addr, port);
    let id = FlowId {
        orig: end([10, 0, 0, 1], 40_000),
        resp: end([192, 0, 2, 1], port),
        proto,
    };
    let mut seen = Seen::new(id);
    play(parser(which, *how, id).as_mut(), rest, &mut seen);
    seen.finish();
}

fn parser(which: usize, how: u8, id: FlowId) -> Box<dyn Parser> {
    let measure = [Measure::Decompressed, Measure::AsSent][usize::from(how & 1)];
    match which {
        0 => Box::new(Dns::new(id.proto, id.resp)),
        1 => Box::new(Ftp::new(id)),
        2 => Box::new(Http::new(measure)),
        3 => Box::new(Tls::default()),
        4 => Box::new(Dtls::default()),
        5 => Box::new(Quic::default()),
        6 => Box::new(DceRpc::default()),
        7 => Box::new(Rdp::default()),
        8 => Box::new(Smb::default()),
        9 => Box::new(Socks::default()),
        10 => Box::new(Smtp::new(id)),
        11 => Box::new(Ssh::default()),
        12 => Box::new(Ntp::default()),
        _ => Box::new(Dhcp::default()),
    }
}

/// A seed of steps that give these payloads to the parser of a place in [`PORTS`], each with whether the
/// server sent it.
pub fn seed(which: usize, payloads: &[(bool, Vec<u8>)]) -> Vec<u8> {
    let mut steps = vec![u8::try_from(which).unwrap_or_default(), 0];
    for (from_server, payload) in payloads {
        for part in payload.chunks(255) {
            let len = u8::try_from(part.len()).unwrap_or(u8::MAX);
            steps.extend([u8::from(*from_server) | 2 << 1, len]);
            steps.extend(part);
        }
    }
    steps
}

/// A step: side and kind, how many bytes (or how long a hole is), the bytes.
fn play(parser: &mut dyn Parser, mut rest: &[u8], seen: &mut Seen) {
    let mut progress = Progress::Going;
    let stream = seen.id.proto == IpProto::TCP;
    while let ([what, len, after @ ..], Progress::Going) = (rest, progress) {
        seen.secs += 1;
        let ts = Timestamp::new(seen.secs, 0);
        let side = [Side::Orig, Side::Resp][usize::from(what & 1)];
        rest = after;
        match what >> 1 & 7 {
            0 if stream => {
                let len = u64::from(*len) << (what >> 4);
                progress = parser.gap(side, ts, len.max(1), seen);
            }
            1 if stream => parser.end_of(side, ts, seen),
            _ => {
                let (bytes, after) = after.split_at(after.len().min(usize::from(*len)));
                progress = parser.data(side, ts, bytes, seen);
                if let Progress::Inner(used) = progress {
                    assert!(used <= bytes.len(), "{used} of {} bytes", bytes.len());
                }
                rest = after;
            }
        }
        let held = parser.held() + seen.files.held();
        assert!(held <= MOST, "{held} bytes held");
    }
    parser.finish(Timestamp::new(seen.secs + 1, 0), seen);
}

/// What a parser told.
struct Seen {
    id: FlowId,
    secs: i64,
    findings: Findings,
    files: Files,
    /// Bytes of the bodies that are under way.
    open: [Option<u64>; 2],
    dhcp: Transactions<u8>,
}

impl Seen {
    fn new(id: FlowId) -> Self {
        Self {
            id,
            secs: 1_700_000_000,
            findings: Findings::default(),
            files: Files::new(Hashes::ALL),
            open: [None; 2],
            dhcp: Transactions::default(),
        }
    }

    fn finish(mut self) {
        self.files.finish().for_each(|row| file(&row, None));
        let (mut rows, pending) = (0, self.dhcp.len());
        self.dhcp.finish(|_| rows += 1);
        assert_eq!(rows, pending);
    }
}

/// A row of files.log, of a body of which so many bytes were told and which ended as it should.
fn file(row: &Record, whole: Option<u64>) {
    let Record::File(row) = row else { return };
    let has_all = row.digests.md5.is_some() && row.digests.sha1.is_some();
    if row.digests == Digests::default() {
        return;
    }
    assert!(has_all && row.digests.sha256.is_some(), "{row:?}");
    assert_eq!(
        (whole, row.missing_bytes),
        (Some(row.seen_bytes), 0),
        "{row:?}"
    );
    assert!(
        row.total_bytes.is_none_or(|total| total <= row.seen_bytes),
        "{row:?}"
    );
}

impl Sink for Seen {
    fn record(&mut self, record: Record) {
        if let Record::Dhcp(message) = record {
            let message = *message;
            return self.dhcp.message(0, &self.id, message, |_| {});
        }
        self.findings.record(record);
    }

    fn weird(&mut self, weird: Weird) {
        assert!(!weird.name.is_empty() && !weird.source.is_empty());
    }

    fn confirm(&mut self, service: Service) {
        assert!(!service.0.is_empty());
    }

    fn refute(&mut self, _: Service) {}

    fn expect(&mut self, channel: ftp::DataChannel) {
        self.findings.expect(channel);
    }

    fn signed_in(&mut self, sign_in: SignIn) {
        self.findings.signed_in(sign_in);
    }

    fn body(&mut self, side: Side, part: Body<'_>) {
        let open = &mut self.open[usize::from(side == Side::Resp)];
        let mut whole = None;
        match part {
            Body::Begin(_) => *open = Some(0),
            Body::Data(bytes) => {
                let len = open.as_mut().expect("no body is under way");
                *len += bytes.len() as u64;
            }
            Body::Gap(_) => assert!(open.is_some(), "no body is under way"),
            Body::End => whole = Some(open.take().expect("no body is under way")),
            Body::Cut => assert!(open.take().is_some(), "no body is under way"),
        }
        let row = self.files.body(side, Timestamp::new(self.secs, 0), part);
        if let Some(row) = &row {
            file(row, whole);
        }
    }
}
