//! Attacks that are slow, or that no recording of ours holds.

use super::dice::hash;
use super::judge::{Attack, Pace};
use super::tape::Flow;
use super::*;

/// Writes one into an office, from a host, beginning at some time.
type Script = fn(&mut Office, u8, f64) -> Attack;

/// Each with how long it takes at most.
pub(crate) const ALL: [(Script, f64); 20] = [
    (slow_vertical_scan, 2.0 * HOUR),
    (slow_horizontal_scan, 2.0 * HOUR),
    (
        |office, me, at| beacon(office, me, at, &MINUTES),
        10.0 * HOUR,
    ),
    (
        |office, me, at| beacon(office, me, at, &FIVE_MINUTES),
        24.0 * HOUR,
    ),
    (|office, me, at| beacon(office, me, at, &HOURS), 40.0 * HOUR),
    (
        |office, me, at| beacon(office, me, at, &MINUTES_UNNAMED),
        10.0 * HOUR,
    ),
    (
        |office, me, at| beacon(office, me, at, &FIVE_MINUTES_UNNAMED),
        24.0 * HOUR,
    ),
    (
        |office, me, at| beacon(office, me, at, &HOURS_UNNAMED),
        40.0 * HOUR,
    ),
    (
        |office, me, at| beacon(office, me, at, &STEADY),
        12.0 * HOUR,
    ),
    (exfiltration_in_pieces, 12.0 * HOUR),
    (exfiltration_at_once, HOUR),
    (slow_brute_force, 4.0 * HOUR),
    (slow_tunnel, 4.0 * HOUR),
    (worm, 0.1 * HOUR),
    (worm_outside, 0.1 * HOUR),
    (flood_out, 0.1 * HOUR),
    (slow_requests, 0.2 * HOUR),
    (brute_force_inside, 0.5 * HOUR),
    (talk_over_chat, 6.0 * HOUR),
    (
        |office, me, at| beacon(office, me, at, &ROTATING),
        24.0 * HOUR,
    ),
];

fn attack(name: &str, pace: Pace, rules: &[&str], who: IpAddr, span: (f64, f64)) -> Attack {
    Attack {
        name: name.to_owned(),
        rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
        who,
        peer: None,
        pace,
        first: span.0,
        last: span.1,
        period: None,
    }
}

/// A port each half minute, mostly closed.
fn slow_vertical_scan(office: &mut Office, me: u8, at: f64) -> Attack {
    for turn in 0..200_u16 {
        let to = (office.v4(12), 1 + turn * 7);
        let flow = office.tcp(at + f64::from(turn) * 30.0, me, to);
        let flow = if turn % 40 == 3 {
            flow.moves(0.1, 0, 0)
        } else {
            flow.refused()
        };
        office.tape.flow(&flow);
    }
    let span = (at, at + 6_000.0);
    attack(
        "slow-vertical-scan",
        Pace::Slow,
        &["RECON-001"],
        office.v4(me),
        span,
    )
}

/// A host each half minute, mostly not there.
fn slow_horizontal_scan(office: &mut Office, me: u8, at: f64) -> Attack {
    for turn in 0..200_u8 {
        let to = (office.v4(turn.wrapping_add(17)), 445);
        let flow = office.tcp(at + f64::from(turn) * 30.0, me, to);
        let flow = if turn % 20 == 3 {
            flow.moves(0.1, 0, 0)
        } else {
            flow.unanswered()
        };
        office.tape.flow(&flow);
    }
    let span = (at, at + 6_000.0);
    attack(
        "slow-horizontal-scan",
        Pace::Slow,
        &["RECON-001"],
        office.v4(me),
        span,
    )
}

struct Beacon {
    name: &'static str,
    period: f64,
    jitter: f64,
    for_hours: f64,
    named: Named,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Yes,
    /// By one that leads to another address every five minutes.
    Rotating,
    No,
}

const MINUTES: Beacon = Beacon {
    name: "beacon-60s",
    period: 60.0,
    jitter: 0.2,
    for_hours: 10.0,
    named: Named::Yes,
};
const FIVE_MINUTES: Beacon = Beacon {
    name: "beacon-5min",
    period: 300.0,
    jitter: 0.3,
    for_hours: 24.0,
    ..MINUTES
};
const HOURS: Beacon = Beacon {
    name: "beacon-1h",
    period: 3_600.0,
    jitter: 0.1,
    for_hours: 40.0,
    ..MINUTES
};
const MINUTES_UNNAMED: Beacon = Beacon {
    name: "beacon-60s-unnamed",
    named: Named::No,
    ..MINUTES
};
const FIVE_MINUTES_UNNAMED: Beacon = Beacon {
    name: "beacon-5min-unnamed",
    named: Named::No,
    ..FIVE_MINUTES
};
const HOURS_UNNAMED: Beacon = Beacon {
    name: "beacon-1h-unnamed",
    named: Named::No,
    ..HOURS
};
/// Whose name is served by sixteen addresses.
const ROTATING: Beacon = Beacon {
    name: "beacon-5min-rotating",
    named: Named::Rotating,
    ..FIVE_MINUTES
};
/// A program that only sleeps, and calls an address on a port of its own.
const STEADY: Beacon = Beacon {
    name: "beacon-steady-port",
    period: 120.0,
    jitter: 0.002,
    for_hours: 12.0,
    named: Named::No,
};

/// Calls home over TLS, or in clear.
fn beacon(office: &mut Office, me: u8, at: f64, beacon: &Beacon) -> Attack {
    let number = office.dice.below(1 << 40);
    let host = format!("c{number:x}.evil.example");
    let domain = match beacon.named {
        // The world knows content networks by such names.
        Named::Rotating => format!("evil{number:x}.cdn{number:x}.example"),
        _ => format!("evil{number:x}.example"),
    };
    let in_clear = office.dice.happens(0.3);
    let mut time = at;
    while time < at + beacon.for_hours * HOUR {
        let answer = 900 + office.dice.below(200);
        if beacon.named == Named::No {
            let port = if beacon.jitter < 0.01 { 4_444 } else { 443 };
            let sent = if in_clear { 310 } else { 980 };
            let flow = office.tcp(time, me, (names::outside(hash(&host)), port));
            office.tape.flow(&flow.moves(0.4, sent, 3_000 + answer));
        } else if in_clear {
            office.http(time, me, &domain, ("/tasks", "application/json", answer));
        } else {
            office.tls(time, me, &domain, (0.4, 980, 3_000 + answer));
        }
        time += office.dice.about(beacon.period, beacon.jitter);
    }
    let rules = ["C2-BEACON-001", "C2-BEACON-002"];
    let six = beacon.named != Named::No && hash(&domain).is_multiple_of(10);
    let who = if six { office.v6(me) } else { office.v4(me) };
    let peer = match beacon.named {
        Named::Yes => Some(office.resolve(time, me, &domain)),
        Named::Rotating => None,
        Named::No => Some(names::outside(hash(&host))),
    };
    Attack {
        period: Some(beacon.period),
        peer,
        ..attack(beacon.name, Pace::Slow, &rules, who, (at, time))
    }
}

/// Fifty megabytes, a pause, and again.
fn exfiltration_in_pieces(office: &mut Office, me: u8, at: f64) -> Attack {
    let (to, mut time) = (names::outside(office.dice.next()), at);
    for _ in 0..60 {
        let flow = office.tcp(time, me, (to, 443)).service("ssl");
        office.tape.flow(&flow.moves(20.0, 50_000_000, 150_000));
        time += office.dice.between(400.0, 900.0);
    }
    attack(
        "exfiltration-in-pieces",
        Pace::Slow,
        &["EXFIL-001", "EXFIL-002"],
        office.v4(me),
        (at, time),
    )
}

/// Five gigabytes in one connection.
fn exfiltration_at_once(office: &mut Office, me: u8, at: f64) -> Attack {
    let domain = format!("drop{}.example", office.dice.below(1 << 40));
    office.tls(at, me, &domain, (2_000.0, 5_000_000_000, 20_000_000));
    let six = hash(&domain).is_multiple_of(10);
    let who = if six { office.v6(me) } else { office.v4(me) };
    attack(
        "exfiltration-at-once",
        Pace::Plain,
        &["EXFIL-001", "EXFIL-002"],
        who,
        (at, at + 2_000.0),
    )
}

/// A password each minute.
fn slow_brute_force(office: &mut Office, me: u8, at: f64) -> Attack {
    for turn in 0..200 {
        let time = at + f64::from(turn) * 60.0 + office.dice.between(0.0, 20.0);
        let flow = office.tcp(time, me, (office.v4(11), 22)).service("ssh");
        office.tape.signed_in(&flow.moves(3.0, 2_500, 3_000), 'F');
    }
    attack(
        "slow-brute-force",
        Pace::Slow,
        &["BRUTE-001"],
        office.v4(me),
        (at, at + 12_000.0),
    )
}

fn brute_force_inside(office: &mut Office, me: u8, at: f64) -> Attack {
    for turn in 0..120 {
        let flow = office
            .tcp(at + f64::from(turn) * 2.0, me, (office.v4(12), 22))
            .service("ssh");
        office.tape.signed_in(&flow.moves(1.8, 2_500, 3_000), 'F');
    }
    attack(
        "brute-force-inside",
        Pace::Plain,
        &["BRUTE-001"],
        office.v4(me),
        (at, at + 240.0),
    )
}

/// A name each half minute, through the resolver.
fn slow_tunnel(office: &mut Office, me: u8, at: f64) -> Attack {
    let domain = format!("t{}.example", office.dice.below(1 << 40));
    for turn in 0..480 {
        let (a, b, c) = (office.dice.next(), office.dice.next(), office.dice.next());
        let name = format!("{a:016x}{b:016x}.{c:016x}.{domain}");
        let time = at + f64::from(turn) * 30.0;
        let flow = office.udp(time, me, (office.v4(RESOLVER), 53));
        office.tape.question(flow, &name, 16, None);
    }
    let rules = ["DNS-EXFIL-001", "DNS-EXFIL-002"];
    attack(
        "slow-dns-tunnel",
        Pace::Slow,
        &rules,
        office.v4(me),
        (at, at + 14_400.0),
    )
}

/// Looks for SMB everywhere inside.
fn worm(office: &mut Office, me: u8, at: f64) -> Attack {
    for turn in 0..600_u64 {
        let net = 20 + office.dice.below(40) as u8;
        let to = Ipv4Addr::new(10, net, 0, office.dice.below(254) as u8 + 1);
        let flow = office.tcp(at + turn as f64 * 0.3, me, (to.into(), 445));
        office.tape.flow(&flow.unanswered());
    }
    attack(
        "worm-inside",
        Pace::Plain,
        &["RECON-001"],
        office.v4(me),
        (at, at + 180.0),
    )
}

/// Looks for telnet everywhere in the world.
fn worm_outside(office: &mut Office, me: u8, at: f64) -> Attack {
    for turn in 0..1_500_u64 {
        let to = names::outside(office.dice.next());
        let flow = office.tcp(at + turn as f64 * 0.1, me, (to, 23));
        let flow = if turn % 30 == 0 {
            flow.refused()
        } else {
            flow.unanswered()
        };
        office.tape.flow(&flow);
    }
    attack(
        "worm-outside",
        Pace::Plain,
        &["RECON-001"],
        office.v4(me),
        (at, at + 150.0),
    )
}

/// A machine of ours floods somebody.
fn flood_out(office: &mut Office, me: u8, at: f64) -> Attack {
    let (from, target) = (office.v4(me), names::outside(office.dice.next()));
    for turn in 0..12_000_u16 {
        let flow = Flow::tcp(
            at + f64::from(turn) * 0.005,
            (from, 1_024 + turn),
            (target, 80),
        );
        office.tape.flow(&flow.unanswered());
    }
    attack(
        "syn-flood-out",
        Pace::Plain,
        &["DDOS-001"],
        target,
        (at, at + 60.0),
    )
}

/// Requests that never end, as many as the server bears.
fn slow_requests(office: &mut Office, _: u8, at: f64) -> Attack {
    let from = names::outside(office.dice.next());
    for turn in 0..600_u16 {
        let flow = Flow::tcp(
            at + f64::from(turn) * 0.1,
            (from, 20_000 + turn),
            (office.v4(WEB), 80),
        );
        office.tape.flow(&flow.service("http").moves(400.0, 700, 0));
    }
    attack(
        "slow-requests",
        Pace::Blind,
        &["DDOS-001", "DDOS-002"],
        office.v4(WEB),
        (at, at + 460.0),
    )
}

/// Commands over a chat server on a port of its own: one connection, with a ping each minute.
fn talk_over_chat(office: &mut Office, me: u8, at: f64) -> Attack {
    let to = (names::outside(office.dice.next()), 6_667);
    let mut time = at;
    while time < at + 6.0 * HOUR {
        let lasts = office.dice.between(170.0, 190.0);
        let flow = office.tcp(time, me, to).service("irc");
        office.tape.flow(&flow.moves(lasts, 420, 2_100));
        time += lasts + 10.0;
    }
    let rules = ["C2-BEACON-001", "C2-BEACON-002"];
    Attack {
        period: Some(190.0),
        peer: Some(to.0),
        ..attack(
            "chat-reconnecting",
            Pace::Slow,
            &rules,
            office.v4(me),
            (at, time),
        )
    }
}
