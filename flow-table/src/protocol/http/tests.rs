use std::io::Write as _;

use proptest::prelude::*;

use super::super::Findings;
use super::*;

const T0: Timestamp = Timestamp::new(1_700_000_000, 0);

/// Keeps bodies, too: `|` begins one, `.` ends it, `<n>` is a gap.
#[derive(Default, PartialEq, Debug)]
struct Seen {
    findings: Findings,
    bodies: [Vec<u8>; 2],
}

impl Sink for Seen {
    fn record(&mut self, record: super::super::Record) {
        self.findings.record(record);
    }
    fn weird(&mut self, weird: Weird) {
        self.findings.weird(weird);
    }
    fn confirm(&mut self, service: Service) {
        self.findings.confirm(service);
    }
    fn refute(&mut self, service: Service) {
        self.findings.refute(service);
    }
    fn body(&mut self, side: Side, part: Body<'_>) {
        let body = &mut self.bodies[usize::from(side == Resp)];
        match part {
            Body::Begin(_) => body.push(b'|'),
            Body::Data(bytes) => body.extend(bytes),
            Body::Gap(len) => body.extend(format!("<{len}>").bytes()),
            Body::End => body.push(b'.'),
            Body::Cut => body.push(b'!'),
        }
    }
}

impl Seen {
    fn rows(&self) -> Vec<&HttpRecord> {
        let records = self.findings.records.iter();
        records
            .map(|record| {
                let super::super::Record::Http(row) = record else {
                    panic!("{record:?}")
                };
                &**row
            })
            .collect()
    }

    fn weirds(&self) -> Vec<&'static str> {
        self.findings
            .weirds
            .iter()
            .map(|weird| weird.name)
            .collect()
    }

    fn body(&self, side: Side) -> String {
        let body = &self.bodies[usize::from(side == Resp)];
        String::from_utf8_lossy(body).into_owned()
    }
}

use Side::{Orig, Resp};

/// Plays bytes of either side, each part cut as `cuts` says.
fn play_cut(parts: &[(Side, &[u8])], cuts: &[usize]) -> Seen {
    let (mut http, mut seen) = (Http::new(Measure::Decompressed), Seen::default());
    let mut cuts = cuts.iter().cycle();
    'all: for (side, bytes) in parts {
        let mut rest = *bytes;
        while !rest.is_empty() {
            let at = cuts.next().map_or(rest.len(), |cut| (*cut).min(rest.len()));
            let (part, after) = rest.split_at(at);
            if http.data(*side, T0, part, &mut seen) != Progress::Going {
                break 'all;
            }
            rest = after;
        }
    }
    http.end_of(Orig, T0, &mut seen);
    http.end_of(Resp, T0, &mut seen);
    http.finish(T0, &mut seen);
    seen
}

fn play(parts: &[(Side, &str)]) -> Seen {
    let parts: Vec<_> = parts
        .iter()
        .map(|(side, text)| (*side, text.as_bytes()))
        .collect();
    play_cut(&parts, &[])
}

fn shown(text: Option<&Text>) -> String {
    text.map_or_else(String::new, |text| {
        String::from_utf8_lossy(text).into_owned()
    })
}

/// Who sends what, in turn.
type Parts = &'static [(Side, &'static str)];

const GET: (Side, &str) = (Orig, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
const OK: (Side, &str) = (Resp, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");

#[test]
fn a_request_and_its_reply_make_one_row() {
    let seen = play(&[
        (
            Orig,
            "POST /a%20b?c HTTP/1.1\r\nHost: example.com:80\r\nUser-Agent: me\r\nReferer: r\r\nOrigin: o\r\n\
             Authorization: Basic dXNlcjpwYXNz\r\nVia: p\r\nX-Forwarded-For: 1.2.3.4\r\nContent-Length: 3\r\n\r\nabc",
        ),
        (
            Resp,
            "HTTP/1.0 404 Not Found\r\nContent-Length: 5\r\n\r\nhello",
        ),
    ]);
    let [row] = seen.rows()[..] else {
        panic!("{seen:?}")
    };
    let texts = [
        &row.method,
        &row.host,
        &row.uri,
        &row.user_agent,
        &row.referrer,
        &row.origin,
        &row.username,
        &row.status_msg,
    ];
    assert_eq!(
        texts.map(|text| shown(text.as_ref())),
        [
            "POST",
            "example.com:80",
            "/a b?c",
            "me",
            "r",
            "o",
            "user",
            "Not Found"
        ]
    );
    assert_eq!(
        (row.trans_depth, row.status_code, row.info_code),
        (1, Some(404), None)
    );
    assert_eq!((row.request_body_len, row.response_body_len), (3, 5));
    assert_eq!(row.version.unwrap().to_string(), "1.0");
    let proxied: Vec<String> = row.proxied.iter().map(|text| shown(Some(text))).collect();
    assert_eq!(proxied, ["VIA -> p", "X-FORWARDED-FOR -> 1.2.3.4"]);
    assert_eq!(
        (seen.body(Orig), seen.body(Resp)),
        ("|abc.".into(), "|hello.".into())
    );
    assert_eq!(
        (seen.findings.services.as_slice(), seen.weirds()),
        (&[HTTP][..], vec![])
    );
}

/// What happened; code, request's and reply's body length of each row.
type Case = (
    &'static str,
    &'static [(Side, &'static str)],
    &'static [(Option<u16>, u64, u64)],
);

const BODIES: [Case; 16] = [
    ("no reply", &[GET], &[(None, 0, 0)]),
    (
        "pipelined",
        &[GET, GET, OK, OK],
        &[(Some(200), 0, 2), (Some(200), 0, 2)],
    ),
    (
        "HEAD",
        &[
            (Orig, "HEAD / HTTP/1.1\r\n\r\n"),
            (Resp, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
        ],
        &[(Some(200), 0, 0)],
    ),
    (
        "304",
        &[
            GET,
            (Resp, "HTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\n"),
            GET,
            OK,
        ],
        &[(Some(304), 0, 0), (Some(200), 0, 2)],
    ),
    (
        "chunked",
        &[
            GET,
            (
                Resp,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\n wo\r\n0\r\nT: t\r\n\r\n",
            ),
            GET,
            OK,
        ],
        &[(Some(200), 0, 8), (Some(200), 0, 2)],
    ),
    (
        "chunked request",
        &[
            (
                Orig,
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
            ),
            OK,
        ],
        &[(Some(200), 10, 2)],
    ),
    (
        "chunked, but 1.0",
        &[
            (Orig, "GET / HTTP/1.0\r\n\r\n"),
            (
                Resp,
                "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n",
            ),
        ],
        &[(Some(200), 0, 10)],
    ),
    (
        "a huge chunk",
        &[
            GET,
            (
                Resp,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40000000\r\nabc",
            ),
        ],
        &[(Some(200), 0, 3)],
    ),
    (
        "until close",
        &[
            GET,
            (Resp, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\na\nb\r\n"),
        ],
        &[(Some(200), 0, 5)],
    ),
    (
        "by lines",
        &[GET, (Resp, "HTTP/1.1 200 OK\r\n\r\na\nb\r\nc")],
        &[(Some(200), 0, 9)],
    ),
    (
        "interim",
        &[GET, (Resp, "HTTP/1.1 100 Continue\r\n\r\n"), OK],
        &[(Some(200), 0, 2)],
    ),
    (
        "range",
        &[
            GET,
            (
                Resp,
                "HTTP/1.1 206 P\r\nContent-Range: bytes 3-6/100\r\n\r\nabcd",
            ),
            GET,
            OK,
        ],
        &[(Some(206), 0, 4), (Some(200), 0, 2)],
    ),
    (
        "length cut",
        &[
            GET,
            (Resp, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
        ],
        &[(Some(200), 0, 3)],
    ),
    (
        "0.9",
        &[(Orig, "GET /x\r\n"), (Resp, "<html>\nhi")],
        &[(Some(0), 0, 9)],
    ),
    ("reply only", &[OK], &[(Some(200), 0, 2)]),
    (
        "reply before the body is sent",
        &[
            (Orig, "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"),
            OK,
            (Orig, "defghi"),
        ],
        &[(Some(200), 0, 2), (None, 9, 0)],
    ),
];

#[test]
fn bodies_end_where_they_should() {
    for (name, parts, want) in BODIES {
        let seen = play(parts);
        let got: Vec<_> = seen
            .rows()
            .iter()
            .map(|row| (row.status_code, row.request_body_len, row.response_body_len))
            .collect();
        assert_eq!(got, want, "{name}");
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(plain).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn bodies_that_may_not_be_whole_are_told_so() {
    for (name, parts, _) in BODIES {
        let whole = !["a huge chunk", "length cut"].contains(&name);
        let bodies = play(parts).bodies.concat();
        assert_eq!(!bodies.contains(&b'!'), whole, "{name}");
    }
    let reply = "HTTP/1.1 200 OK\r\nConnection: close\r\n";
    let zip = gzip(b"hello");
    let of = |head: &str, body: &[u8]| [reply.as_bytes(), head.as_bytes(), b"\r\n", body].concat();
    let gzipped = |body: &[u8]| of("Content-Encoding: gzip\r\n", body);
    let chunked = |body: &[u8]| of("Transfer-Encoding: chunked\r\n", body);
    for (name, bytes, want) in [
        ("until close", of("", b"hello"), &b"|hello."[..]),
        ("gzip", gzipped(&zip), b"|hello."),
        ("gzip cut", gzipped(&zip[..zip.len() - 1]), b"|hello!"),
        (
            "more than gzip",
            gzipped(&[&zip[..], b"x"].concat()),
            b"|hello!",
        ),
        ("chunked", chunked(b"5\r\nhello\r\n0\r\n"), b"|hello."),
        ("no last chunk", chunked(b"5\r\nhello\r\n"), b"|hello!"),
        (
            "no length of a chunk",
            chunked(b"5\r\nhello\r\nx\r\n\r\n"),
            b"|hello!",
        ),
    ] {
        for cut in [1, 7, bytes.len()] {
            let (mut http, mut seen) = (Http::new(Measure::Decompressed), Seen::default());
            let _ = http.data(Orig, T0, GET.1.as_bytes(), &mut seen);
            for part in bytes.chunks(cut) {
                let _ = http.data(Resp, T0, part, &mut seen);
            }
            http.end_of(Resp, T0, &mut seen);
            assert_eq!(seen.bodies[1], want, "{name} {cut}");
        }
    }
    let (mut http, mut seen) = (Http::new(Measure::Decompressed), Seen::default());
    let _ = http.data(Resp, T0, &of("", b"hello"), &mut seen);
    http.finish(T0, &mut seen);
    assert_eq!(seen.bodies[1], b"|hello!", "no FIN");
}

#[test]
fn interim_replies_are_remembered() {
    let seen = play(&[GET, (Resp, "HTTP/1.1 100 Continue\r\n\r\n"), OK]);
    let row = seen.rows()[0];
    assert_eq!(
        (row.info_code, shown(row.info_msg.as_ref())),
        (Some(100), "Continue".into())
    );
    assert_eq!(row.status_code, Some(200));
}

/// A first line; the request's method, URI and whether it is one; weirds.
type Line = (
    &'static str,
    Option<(&'static str, &'static str)>,
    &'static [&'static str],
);

const REQUEST_LINES: [Line; 13] = [
    ("GET / HTTP/1.1", Some(("GET", "/")), &[]),
    ("GET /a b HTTP/1.1", Some(("GET", "/a b")), &[]),
    ("GET HTTP/1.1", Some(("GET", "")), &["missing_HTTP_uri"]),
    (
        "GET / http/1.1",
        Some(("GET", "/")),
        &["lowercase_HTTP_keyword"],
    ),
    (
        "FROB / HTTP/1.1",
        Some(("FROB", "/")),
        &["unknown_HTTP_method"],
    ),
    (
        "GET /%41%zz%",
        Some(("GET", "/A%zz%")),
        &["unescaped_%_in_URI", "illegal_%_at_end_of_URI"],
    ),
    (
        "GET /%%41%4",
        Some(("GET", "/A%4")),
        &["double_%_in_URI", "partial_escape_at_end_of_URI"],
    ),
    ("GET /%u0041", Some(("GET", "/A")), &[]),
    ("\x16\x03\x01", None, &["bad_HTTP_request"]),
    ("(x) HTTP/1.1", None, &["bad_HTTP_request_with_version"]),
    ("GET", None, &["bad_HTTP_request"]),
    ("ab /x", None, &["bad_HTTP_request"]),
    ("", None, &["bad_HTTP_request", "empty_http_request"]),
];

#[test]
fn request_lines_are_read_as_zeek_does() {
    for (line, want, weirds) in REQUEST_LINES {
        let seen = play(&[(Orig, &format!("{line}\r\n\r\n"))]);
        let got = seen
            .rows()
            .first()
            .map(|row| (shown(row.method.as_ref()), shown(row.uri.as_ref())));
        let want = want.map(|(method, uri)| (method.to_owned(), uri.to_owned()));
        assert_eq!(got, want, "{line:?}");
        assert!(
            seen.weirds().starts_with(weirds),
            "{line:?} {:?}",
            seen.weirds()
        );
    }
}

#[test]
fn headers_that_fold_and_lines_that_end_oddly() {
    let seen = play(&[(
        Orig,
        "GET / HTTP/1.1\nHost: a\n b\nUser-Agent:\r\n\tu\rReferer: r\r\n\n",
    )]);
    let row = seen.rows()[0];
    let texts = [&row.host, &row.user_agent, &row.referrer].map(|text| shown(text.as_ref()));
    assert_eq!(texts, ["a b", "u", "r"]);
    assert_eq!(seen.weirds(), ["line_terminated_with_single_CR"]);
}

#[test]
fn what_is_no_http_is_refuted() {
    let cases: [(&str, Parts, usize, bool); 4] = [
        (
            "the server speaks SSH",
            &[GET, (Resp, "SSH-2.0-x\r\n")],
            1,
            false,
        ),
        (
            "cruft after a request",
            &[GET, (Orig, "?\r\n"), OK],
            1,
            false,
        ),
        (
            "a server that answers nonsense",
            &[(Orig, "\x16\x03\r\n"), (Resp, "HTTP/1.1 400 B\r\n\r\n")],
            1,
            false,
        ),
        (
            "crud after 1.0",
            &[(Orig, "GET / HTTP/1.0\r\n\r\n?\r\n"), OK],
            1,
            true,
        ),
    ];
    for (name, parts, rows, http) in cases {
        let seen = play(parts);
        assert_eq!(seen.rows().len(), rows, "{name}");
        assert_eq!(!seen.findings.services.is_empty(), http, "{name}");
    }
}

#[test]
fn other_protocols_take_over() {
    let (mut http, mut seen) = (Http::new(Measure::AsSent), Seen::default());
    assert_eq!(
        http.data(Orig, T0, b"CONNECT h:443 HTTP/1.1\r\n\r\n", &mut seen),
        Progress::Going
    );
    let reply = b"HTTP/1.1 200 OK\r\n\r\n\x16\x03";
    assert_eq!(
        http.data(Resp, T0, reply, &mut seen),
        Progress::Inner(reply.len() - 2)
    );
    http.finish(T0, &mut seen);
    assert_eq!(seen.rows()[0].status_code, Some(200));

    let (mut http, mut seen) = (Http::new(Measure::AsSent), Seen::default());
    assert_eq!(
        http.data(Orig, T0, GET.1.as_bytes(), &mut seen),
        Progress::Going
    );
    let reply = b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81";
    assert_eq!(
        http.data(Resp, T0, reply, &mut seen),
        Progress::Inner(reply.len() - 1)
    );
    http.finish(T0, &mut seen);
    assert_eq!(seen.findings.services, [HTTP, Service("websocket")]);
    assert_eq!(seen.rows()[0].status_code, Some(101));
}

#[test]
fn gaps_within_bodies_are_counted() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab";
    for (len, body, rows) in [(8, "|ab<8>.", 2), (9, "|ab!", 1)] {
        let (mut http, mut seen) = (Http::new(Measure::AsSent), Seen::default());
        let _ = http.data(Orig, T0, GET.1.as_bytes(), &mut seen);
        let _ = http.data(Resp, T0, head.as_bytes(), &mut seen);
        let _ = http.gap(Resp, T0, len, &mut seen);
        let _ = http.data(Orig, T0, GET.1.as_bytes(), &mut seen);
        let _ = http.data(Resp, T0, b"HTTP/1.1 204 N\r\n\r\n", &mut seen);
        assert_eq!(
            (seen.body(Resp).as_str(), seen.rows().len()),
            (body, rows),
            "{len}"
        );
        assert_eq!(
            http.gap(Orig, T0, 1, &mut seen),
            if len == 8 {
                Progress::Going
            } else {
                Progress::Done
            }
        );
    }
}

#[test]
fn compressed_bodies_are_measured_unfolded() {
    let plain = vec![b'x'; 100_000];
    let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    raw.write_all(&plain).unwrap();
    let raw = raw.finish().unwrap();
    for (coding, bytes) in [("gzip", gzip(&plain)), ("deflate", raw)] {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n",
            bytes.len()
        );
        let reply = [head.as_bytes(), &bytes].concat();
        for cuts in [&[][..], &[7]] {
            let seen = play_cut(&[(Orig, GET.1.as_bytes()), (Resp, &reply)], cuts);
            assert_eq!(seen.rows()[0].response_body_len, 100_000, "{coding}");
            assert_eq!(seen.bodies[1].len(), 100_002);
        }
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd";
    assert_eq!(play(&[GET, (Resp, head)]).weirds(), ["inflate_failed"]);
}

#[test]
fn state_is_bounded() {
    let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(MAX_LINE));
    let seen = play_cut(&[(Orig, long.as_bytes())], &[1_000]);
    assert_eq!(
        (seen.rows().len(), seen.weirds()),
        (0, vec!["contentline_size_exceeded"])
    );

    let folded = format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
        " bbbbbbbbbbbbbbb\r\n".repeat(10_000)
    );
    assert_eq!(
        shown(play(&[(Orig, &folded)]).rows()[0].host.as_ref()).len(),
        MAX_TEXT
    );

    let (mut http, mut seen) = (Http::new(Measure::AsSent), Seen::default());
    for _ in 0..1_000 {
        let _ = http.data(Orig, T0, GET.1.as_bytes(), &mut seen);
    }
    assert!(seen.rows().len() > 1_000 - MAX_PENDING - 2);
    assert!(http.unanswered.len() <= MAX_UNANSWERED);
    assert_eq!(seen.weirds().first(), Some(&"HTTP_excessive_pipelining"));
    http.finish(T0, &mut seen);
    assert_eq!(seen.rows().len(), 1_000);
}

#[test]
fn smuggling_is_odd() {
    let cases = [
        ("Content-Length: -1\r\n", "HTTP_bad_content_length"),
        (
            "Content-Length: 18446744073709551615\r\n",
            "HTTP_bad_content_length",
        ),
        (
            "Content-Length: 007\r\n",
            "HTTP_content_length_leading_zeros",
        ),
        (
            "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n",
            "HTTP_content_length_and_chunked",
        ),
        (
            "Transfer-Encoding: chunked, identity\r\n",
            "HTTP_chunked_multi",
        ),
        ("Expect: 200-ok\r\n", "HTTP_expect_not_100_continue"),
    ];
    for (headers, weird) in cases {
        let seen = play(&[(Orig, &format!("POST / HTTP/1.1\r\n{headers}\r\n"))]);
        assert_eq!(seen.weirds(), [weird], "{headers}");
    }
}

proptest! {
    #[test]
    fn however_streams_are_cut_the_rows_are_the_same(
        case in 0..BODIES.len(), cuts in prop::collection::vec(1..20_usize, 1..9),
    ) {
        let parts: Vec<_> = BODIES[case].1.iter().map(|(side, text)| (*side, text.as_bytes())).collect();
        prop_assert_eq!(play_cut(&parts, &cuts), play_cut(&parts, &[]));
    }

    #[test]
    fn random_bytes_do_no_harm(parts in prop::collection::vec((any::<bool>(), prop::collection::vec(
        prop_oneof![Just(b'\r'), Just(b'\n'), Just(b' '), Just(b'/'), any::<u8>()], 0..80)), 0..12),
    ) {
        let parts: Vec<_> = parts.iter().map(|(orig, bytes)| (if *orig { Orig } else { Resp }, bytes.as_slice())).collect();
        let _ = play_cut(&parts, &[3]);
    }

    #[test]
    fn changed_messages_do_no_harm(
        case in 0..BODIES.len(), at in 0..90_usize, to in any::<u8>(), gap in 0..20_u64,
    ) {
        let (mut http, mut seen) = (Http::new(Measure::Decompressed), Seen::default());
        for (side, text) in BODIES[case].1 {
            let mut bytes = text.as_bytes().to_vec();
            if let Some(byte) = bytes.get_mut(at) { *byte = to; }
            let _ = http.data(*side, T0, &bytes, &mut seen);
            let _ = http.gap(*side, T0, gap, &mut seen);
        }
        http.finish(T0, &mut seen);
    }
}
