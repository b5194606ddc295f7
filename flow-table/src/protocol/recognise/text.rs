//! Protocols of lines over TCP.

use super::{Firsts, Match, Protocol, Starts, Test, Words, begins};

pub(super) const TESTS: [Test; 9] = [
    (Protocol::Ssh, Firsts::of(b"S"), |starts| {
        starts.either(|bytes| begins(bytes, b"SSH-").and(version(bytes)))
    }),
    (Protocol::Sip, SIP_METHODS.firsts.or(b"S"), |starts| {
        starts.either(sip)
    }),
    (Protocol::Http, HTTP_METHODS.firsts.or(b"Hh"), |starts| {
        request(starts.orig).or(starts.either(|bytes| HTTP_REPLIES.begin(bytes)))
    }),
    (Protocol::Smtp, Firsts::of(b"2EeHhLl"), smtp),
    (Protocol::Ftp, Firsts::of(b"2"), ftp),
    (Protocol::Pop3, Firsts::of(b"+"), pop3),
    (Protocol::Imap, Firsts::of(b"*"), |starts| {
        const GREETINGS: Words = Words::of(&[b"* OK", b"* PREAUTH", b"* BYE"]);
        server(starts, &GREETINGS)
    }),
    (Protocol::Redis, Firsts::of(b"*"), redis),
    (Protocol::Irc, Firsts::of(b":NnCcUuPp"), irc),
];

const HTTP_METHODS: Words = Words::of(&[
    b"GET ",
    b"POST ",
    b"HEAD ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"TRACE ",
    b"CONNECT ",
    b"PATCH ",
    b"QUERY ",
    b"PROPFIND ",
    b"PROPPATCH ",
    b"MKCOL ",
    b"COPY ",
    b"MOVE ",
    b"LOCK ",
    b"UNLOCK ",
    b"POLL ",
    b"REPORT ",
    b"SUBSCRIBE ",
    b"BMOVE ",
    b"SEARCH ",
    b"M-SEARCH ",
    b"NOTIFY ",
]);

const HTTP_REPLIES: Words = Words::of(&[b"HTTP/1.", b"HTTP/0.9", b"http/1."]);

/// A request of HTTP, and not one with the same word of SIP, RTSP or NATS.
fn request(bytes: &[u8]) -> Match {
    let http = HTTP_METHODS.begin(bytes);
    match sip(bytes).or(others_target(bytes)) {
        Match::Maybe => http.and(Match::Maybe),
        Match::Yes => Match::No,
        Match::No => http,
    }
}

/// What a word of HTTP's asks for in RTSP (RFC 2326, 6), and what NATS calls its options.
fn others_target(bytes: &[u8]) -> Match {
    const TARGETS: [(&[u8], Words); 2] = [
        (b"OPTIONS ", Words::of(&[b"rtsp:", b"rtspu:", b"* RTSP/"])),
        (b"CONNECT ", Words::of(&[b"{"])),
    ];
    let tests = TARGETS.iter();
    let tests = tests.map(|(word, targets)| asks_for(bytes, word, targets));
    tests.fold(Match::No, Match::or)
}

/// A word, and after it one of these targets.
fn asks_for(bytes: &[u8], word: &[u8], targets: &Words) -> Match {
    match begins(bytes, word) {
        Match::Yes => targets.begin(bytes.get(word.len()..).unwrap_or_default()),
        other => other,
    }
}

/// What a server says before its client has said anything.
fn server(starts: &Starts<'_>, greetings: &Words) -> Match {
    if !starts.orig.is_empty() && !starts.server_first {
        return Match::No;
    }
    greetings.begin(starts.resp)
}

/// `SSH-1.` or `SSH-2.`.
fn version(bytes: &[u8]) -> Match {
    Match::yes_if(
        bytes
            .get(4..6)
            .map(|version| matches!(version, [b'1' | b'2', b'.'])),
    )
}

const SIP_METHODS: Words = Words::of(&[
    b"INVITE ",
    b"ACK ",
    b"BYE ",
    b"CANCEL ",
    b"REGISTER ",
    b"OPTIONS ",
    b"PRACK ",
    b"SUBSCRIBE ",
    b"NOTIFY ",
    b"PUBLISH ",
    b"INFO ",
    b"REFER ",
    b"MESSAGE ",
]);

/// A request to a SIP address, or a reply (RFC 3261, 7).
pub(super) fn sip(bytes: &[u8]) -> Match {
    const TARGETS: Words = Words::of(&[b"sip:", b"sips:", b"tel:"]);
    let reply = begins(bytes, b"SIP/2.0 ");
    if SIP_METHODS.begin(bytes) == Match::No {
        return reply;
    }
    let requests = SIP_METHODS.words.iter();
    let requests = requests.map(|method| asks_for(bytes, method, &TARGETS));
    requests.fold(reply, Match::or)
}

/// A server is ready.
const READY: Words = Words::of(&[b"220 ", b"220-"]);

/// Greeted with 220, as FTP is; the greeting or the client's first word tell which.
fn greeted(starts: &Starts<'_>) -> Match {
    server(starts, &READY)
}

/// Whether the greeting, once it is whole, has this word in it.
fn names(starts: &Starts<'_>, word: &[u8]) -> bool {
    if starts.resp.len() < super::LOOK && !starts.resp.contains(&b'\n') {
        return false;
    }
    let upper = starts.resp.to_ascii_uppercase();
    upper.windows(word.len()).any(|window| window == word)
}

fn smtp(starts: &Starts<'_>) -> Match {
    const GREETINGS: Words = Words::of(&[b"EHLO ", b"HELO ", b"LHLO "]);
    let said = GREETINGS.begin_in_any_case(starts.orig);
    if greeted(starts) == Match::Yes && names(starts, b"SMTP") && said != Match::No {
        return Match::Yes;
    }
    // Seen from one side only, the client is enough.
    if starts.resp.is_empty() || !starts.server_first {
        return said;
    }
    greeted(starts).and(said)
}

fn ftp(starts: &Starts<'_>) -> Match {
    const COMMANDS: Words = Words::of(&[
        b"USER ", b"AUTH ", b"FEAT", b"SYST", b"PASS ", b"OPTS ", b"HOST ", b"CLNT ", b"QUIT",
    ]);
    // Clients that do not wait for the greeting are believed where FTP is at home.
    let greeted = if matches!(starts.port, 21 | 2811) {
        READY.begin(starts.resp)
    } else {
        greeted(starts)
    };
    if greeted == Match::Yes && names(starts, b"FTP") && !names(starts, b"SMTP") {
        return Match::Yes;
    }
    greeted.and(COMMANDS.begin_in_any_case(starts.orig))
}

/// Redis greets nobody: what begins with `+OK` unasked is a mailbox.
fn pop3(starts: &Starts<'_>) -> Match {
    const COMMANDS: Words = Words::of(&[b"USER ", b"CAPA", b"AUTH", b"APOP ", b"STLS", b"QUIT"]);
    const READY: Words = Words::of(&[b"+OK"]);
    server(starts, &READY).and(COMMANDS.begin_in_any_case(starts.orig))
}

/// An array of bulk strings: `*1\r\n$4\r\nPING\r\n`.
fn redis(starts: &Starts<'_>) -> Match {
    let [b'*', rest @ ..] = starts.orig else {
        return begins(starts.orig, b"*");
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match (digits, rest.get(digits..).unwrap_or_default()) {
        (1..=7, after) => begins(after, b"\r\n$"),
        (0, []) => Match::Maybe,
        _ => Match::No,
    }
}

fn irc(starts: &Starts<'_>) -> Match {
    const CLIENT: Words = Words::of(&[b"NICK ", b"CAP LS", b"CAP REQ"]);
    const SERVER: Words = Words::of(&[b"NOTICE AUTH ", b"NOTICE * :"]);
    let client = if starts.server_first && begins(starts.resp, b":") == Match::No {
        Match::No
    } else {
        CLIENT
            .begin_in_any_case(starts.orig)
            .or(signs_in(starts.orig))
    };
    let server = SERVER.begin_in_any_case(starts.resp);
    client.or(server).or(irc_prefix(starts.resp))
}

/// `USER name mode unused :real name`, or `PASS word` and then `NICK` (RFC 2812, 3.1): alone, FTP
/// and POP3 have these words too.
fn signs_in(bytes: &[u8]) -> Match {
    const WORDS: Words = Words::of(&[b"USER ", b"PASS "]);
    const NEXT: Words = Words::of(&[b"NICK "]);
    let word = WORDS.begin_in_any_case(bytes);
    if word != Match::Yes {
        return word;
    }
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return if bytes.len() < super::LOOK {
            Match::Maybe
        } else {
            Match::No
        };
    };
    let (line, rest) = bytes.split_at_checked(end + 1).unwrap_or((bytes, &[]));
    if line.windows(2).any(|pair| pair == b" :") && line.starts_with(b"USER") {
        return Match::Yes;
    }
    NEXT.begin_in_any_case(rest)
}

/// `:server 001 …` or `:server NOTICE …`.
fn irc_prefix(bytes: &[u8]) -> Match {
    /// Of a server and a space (RFC 2812, 1.1).
    const MAX_NAME: usize = 64;
    const REPLIES: Words = Words::of(&[
        b"001 ", b"020 ", b"NOTICE ", b"CAP ", b"451 ", b"433 ", b"670 ",
    ]);
    let [b':', rest @ ..] = bytes else {
        return begins(bytes, b":");
    };
    let name = rest.get(..MAX_NAME).unwrap_or(rest);
    let Some(space) = name.iter().position(|byte| *byte == b' ') else {
        return if rest.len() < MAX_NAME {
            Match::Maybe
        } else {
            Match::No
        };
    };
    let command = rest.get(space + 1..).unwrap_or_default();
    REPLIES.begin(command)
}
