//! What people do at their desks, and what their machines do for them.

use super::dice::{hash, mixed};
use super::*;

/// Sites of the world; the first are read by everybody.
const SITES: u64 = 6_000;
/// Services that sites make use of.
const PARTS: u64 = 60;

pub(crate) fn site(number: u64) -> String {
    format!("www.s{number}.example")
}

fn part(number: u64, dice: &mut Dice) -> String {
    match number % 4 {
        0 => format!("static{}.cdn{number}.example", dice.below(4)),
        1 => format!("px.m{number}.example"),
        // Advertising frames have names that look like hashes.
        2 if dice.happens(0.15) => {
            format!(
                "{:016x}{:016x}.frame.a{number}.example",
                dice.next(),
                dice.next()
            )
        }
        _ => format!("api.p{number}.example"),
    }
}

pub(crate) fn day(office: &mut Office, me: u8, day: u16) {
    let begin = Office::begin(day);
    background(office, me, begin);
    let works = if Office::is_working_day(day) {
        0.93
    } else {
        0.04
    };
    if !office.dice.happens(works) {
        return;
    }
    let from = begin + office.dice.between(7.4, 9.6) * HOUR;
    let to = begin + office.dice.between(16.2, 18.8) * HOUR;
    log_on(office, me, from);
    let sessions = 6 + office.dice.below(14);
    for _ in 0..sessions {
        let at = office.dice.between(from, to);
        browse(office, me, at);
    }
    agents(office, me, (from, to));
    chat(office, me, (from, to));
    let mut at = from;
    while at < to {
        office.tls(at, me, "imap.mailhost.example", (2.0, 1_800, 6_000));
        at += 300.0 + office.dice.unit();
    }
    share(office, me, (from, to));
    if office.dice.happens(0.15) {
        leave_page_open(office, me, (from, to));
    }
    if office.dice.happens(0.4) {
        let at = office.dice.between(from, to - HOUR);
        call(office, me, at);
    }
    sync(office, me, (from, to));
    if office.dice.happens(0.01) {
        let at = office.dice.between(from, to - HOUR);
        send_big_file(office, me, at);
    }
    if office.dice.happens(0.5) {
        let at = office.dice.between(from, to);
        print(office, me, at);
    }
    if office.dice.happens(0.06) {
        let at = office.dice.between(from, to);
        update(office, me, at);
    }
    if office.dice.happens(0.03) {
        let at = office.dice.between(from, to);
        install(office, me, at);
    }
    if me == FIRST_PERSON {
        administer(office, me, (from, to));
    }
}

/// Machines that are on at night as well, and programs that hardly anybody else has.
fn background(office: &mut Office, me: u8, begin: f64) {
    let mine = mixed(office.plan.seed ^ (u64::from(me) << 32));
    // One in three has a program of its own that polls: exactly, or nearly so.
    if mine.is_multiple_of(3) {
        let app = mine % 1_000;
        let period = [60.0, 300.0, 900.0, 3_600.0][(mine >> 20) as usize % 4];
        let spread = [0.0005, 0.01, 0.04][(mine >> 24) as usize % 3];
        // Some were installed on some day.
        let installed = Office::begin(0) + ((mine >> 28) % 10) as f64 * DAY / 2.0;
        let name = format!("poll.app{app}.example");
        let mut at = begin + (mine >> 8) as f64 % period;
        while at < begin + DAY {
            if at > installed {
                let (sent, received) = (900 + mine % 700, 3_000 + mine % 4_000);
                office.tls(at, me, &name, (0.4, sent, received));
            }
            at += office.dice.about(period, spread);
        }
    }
    if !(mine >> 40).is_multiple_of(3) {
        return;
    }
    // Left on: telemetry goes on.
    let mut at = begin + office.dice.between(0.0, 300.0);
    while at < begin + DAY {
        office.tls(at, me, "telemetry.vendor.example", (0.3, 2_500, 4_200));
        at += 600.0 + office.dice.between(0.0, 5.0);
    }
}

fn log_on(office: &mut Office, me: u8, at: f64) {
    for (directory, extra) in [(DIRECTORY, 0.0), (SECOND_DIRECTORY, 1.0)] {
        for (port, service, times) in [
            (88, "krb_tcp", 4),
            (389, "ldap_tcp", 3),
            (135, "dce_rpc", 1),
            (445, "smb", 1),
        ] {
            for turn in 0..times {
                let to = (office.v4(directory), port);
                let flow = office
                    .tcp(at + extra + f64::from(turn) * 0.3, me, to)
                    .service(service);
                office.tape.flow(&flow.moves(0.5, 2_000, 3_000));
            }
        }
        let dynamic = 49_664 + office.dice.below(8) as u16;
        let to = (office.v4(directory), dynamic);
        let flow = office.tcp(at + extra + 0.7, me, to);
        office.tape.flow(&flow.moves(1.0, 3_000, 3_000));
    }
    office.http(
        at + 2.0,
        me,
        "connectivity.vendor.example",
        ("/check", "text/plain", 22),
    );
}

/// Pages one after the other.
fn browse(office: &mut Office, me: u8, mut at: f64) {
    let pages = 2 + office.dice.below(12);
    let mut place = office.dice.popular(SITES);
    for _ in 0..pages {
        if office.dice.happens(0.3) {
            place = office.dice.popular(SITES);
        }
        load(office, me, at, place);
        at += office.dice.wait(40.0) + 2.0;
    }
}

fn load(office: &mut Office, me: u8, at: f64, place: u64) {
    let moves = |office: &mut Office| {
        let lasts = office.dice.between(0.3, 60.0);
        let sent = office.dice.amount(700.0, 8_000.0);
        (lasts, sent, office.dice.amount(3_000.0, 900_000.0))
    };
    let first = moves(office);
    office.tls(at, me, &site(place), first);
    let parts = 2 + office.dice.below(9);
    for turn in 0..parts {
        let number = (place.wrapping_mul(7) + turn * turn) % PARTS;
        let name = part(number, &mut office.dice);
        let (later, moves) = (office.dice.between(0.1, 2.0), moves(office));
        office.tls(at + later, me, &name, moves);
    }
    if office.dice.happens(0.05) {
        // Certificates are looked up in clear.
        let what = ("/ocsp", "application/ocsp-response", 1_500);
        office.http(at + 0.2, me, "ocsp.ca.example", what);
    }
}

/// A page that fetches itself again and again.
fn leave_page_open(office: &mut Office, me: u8, (from, to): (f64, f64)) {
    let period = [30.0, 60.0, 300.0][office.dice.below(3) as usize];
    let (start, place) = (office.dice.between(from, to), office.dice.popular(SITES));
    let until = (start + office.dice.between(0.5, 5.0) * HOUR).min(to);
    let (own, beside) = (site(place), format!("px.m{}.example", 500 + place));
    let in_clear = place % 5 == 0;
    let mut at = start;
    while at < until {
        if in_clear {
            office.http(at, me, &own, ("/ticker", "application/json", 1_800));
        } else {
            office.tls(at, me, &own, (1.0, 1_100, 24_000));
        }
        office.tls(at + 0.4, me, &beside, (0.4, 900, 1_200));
        at += period + office.dice.between(0.0, 0.6);
    }
}

/// What everybody's machine runs: endpoint protection, management, telemetry.
fn agents(office: &mut Office, me: u8, (from, to): (f64, f64)) {
    for (name, period, spread, received) in [
        ("mdm.vendor.example", 3_600.0, 0.02, 6_000),
        ("telemetry.vendor.example", 600.0, 0.01, 4_200),
        ("edr.guard.example", 60.0, 0.02, 3_900),
    ] {
        let mut at = from + office.dice.between(0.0, period);
        while at < to {
            office.tls(at, me, name, (0.3, 1_900, received));
            at += office.dice.about(period, spread);
        }
    }
    let mut at = from;
    while at < to {
        let server = 20 + office.dice.below(4);
        let flow = office
            .udp(at, me, (names::outside(server), 123))
            .service("ntp");
        office.tape.flow(&flow.moves(0.03, 48, 48));
        at += 1_024.0 + office.dice.between(0.0, 2.0);
    }
    // The virus scanner asks DNS for hashes, most when a disk is looked through.
    let (looks, within) = if office.dice.happens(0.1) {
        (250, 600.0)
    } else {
        (30 + office.dice.below(60), to - from)
    };
    for _ in 0..looks {
        let at = from + office.dice.between(0.0, within);
        let (a, b) = (office.dice.next(), office.dice.next());
        let name = format!("{a:016x}{b:016x}.h.avlookup.example");
        office.look_up(at, me, &name, 1);
    }
}

/// Connections that stay, with a little now and then.
fn chat(office: &mut Office, me: u8, (from, to): (f64, f64)) {
    for name in [
        "push.chat.example",
        "push.vendor.example",
        "events.board.example",
    ] {
        let mut at = from + office.dice.between(0.0, 60.0);
        while at < to {
            let lasts = office.dice.between(0.1, 3.0) * HOUR;
            let sent = (lasts * office.dice.between(2.0, 9.0)) as u64;
            let received = (lasts * office.dice.between(5.0, 60.0)) as u64;
            office.tls(at, me, name, (lasts, sent, received));
            at += lasts + office.dice.between(0.1, 20.0);
        }
    }
}

/// Files on the server: a long connection, and moments of work.
fn share(office: &mut Office, me: u8, (from, to): (f64, f64)) {
    let mut at = from + 5.0;
    while at < to {
        let lasts = office.dice.between(0.2, 2.0) * HOUR;
        let (sent, received) = (office.dice.amount(1e4, 4e7), office.dice.amount(1e5, 1.5e8));
        let to = (office.v4(FILES), 445);
        let flow = office.tcp(at, me, to).service("smb");
        office.tape.flow(&flow.moves(lasts, sent, received));
        at += lasts + office.dice.wait(HOUR / 2.0);
    }
    // Three servers in one go, on some days: drives that are connected again.
    if office.dice.happens(0.2) {
        for server in [10, 11, 12] {
            let flow = office
                .tcp(from + 9.0, me, (office.v4(server), 445))
                .service("smb");
            office.tape.flow(&flow.moves(900.0, 9_000, 30_000));
        }
    }
}

fn call(office: &mut Office, me: u8, at: f64) {
    let lasts = office.dice.between(5.0, 55.0) * MINUTE;
    let (up, down) = (office.dice.between(3e4, 3e5), office.dice.between(5e4, 4e5));
    let media = names::outside(hash("media.meet.example") + office.dice.below(40));
    office.tls(at - 5.0, me, "meet.example", (lasts, 90_000, 400_000));
    let flow = office.udp(at, me, (media, 3_478)).service("stun");
    let (sent, received) = ((lasts * up) as u64, (lasts * down) as u64);
    office.tape.flow(&flow.moves(lasts, sent, received));
}

/// A folder that is kept the same elsewhere.
fn sync(office: &mut Office, me: u8, (from, to): (f64, f64)) {
    for _ in 0..office.dice.below(12) {
        let mut at = office.dice.between(from, to);
        let mut left = office.dice.amount(1e5, 1.2e8);
        while left > 0 {
            let piece = left.min(8_000_000);
            let name = format!("up{}.cdnsync.example", office.dice.below(8));
            office.tls(at, me, &name, (piece as f64 / 3e6 + 0.2, piece, 3_000));
            at += piece as f64 / 3e6 + 0.3;
            left -= piece;
        }
    }
}

/// Somebody sends a film to a customer.
fn send_big_file(office: &mut Office, me: u8, at: f64) {
    let service = office.dice.below(6);
    let bytes = office.dice.amount(2e8, 3e9);
    let name = format!("upload.send{service}.example");
    office.tls(at, me, &name, (bytes as f64 / 6e6, bytes, bytes / 90));
}

fn print(office: &mut Office, me: u8, at: f64) {
    let printer = *PRINTERS.start() + (me % 5);
    let to = (office.v4(printer), 9_100);
    for turn in 0..4 {
        let flow = office.tcp(at + f64::from(turn) * 20.0, me, to);
        // One of them is switched off.
        if printer == *PRINTERS.end() {
            office.tape.flow(&flow.unanswered());
        } else {
            office.tape.flow(&flow.moves(4.0, 400_000, 300));
            return;
        }
    }
}

/// Much from a content network, and some of it from neighbours, who may be away.
fn update(office: &mut Office, me: u8, at: f64) {
    for turn in 0..25 {
        let what = (
            "/c/part.cab",
            "application/vnd.ms-cab-compressed",
            9_000_000,
        );
        office.http(at + f64::from(turn) * 6.0, me, "dl.cdnupdate.example", what);
    }
    for turn in 0..30_u8 {
        let neighbour = office.person();
        let later = at + f64::from(turn) * office.dice.between(1.0, 9.0);
        let flow = office.tcp(later, me, (office.v4(neighbour), 7_680));
        let flow = if office.dice.happens(0.5) {
            flow.unanswered()
        } else {
            flow.moves(20.0, 4_000, 3_000_000)
        };
        office.tape.flow(&flow);
    }
}

/// A program of a small vendor, which says hello once it runs.
fn install(office: &mut Office, me: u8, at: f64) {
    let vendor = office.dice.below(5_000);
    let (site, bytes) = (
        format!("www.v{vendor}.example"),
        office.dice.amount(2e6, 9e7),
    );
    if office.dice.happens(0.15) {
        let uri = format!("/setup{vendor}.exe");
        office.http(at, me, &site, (&uri, "application/x-dosexec", bytes));
    } else {
        office.tls(at, me, &site, (9.0, 2_000, bytes));
    }
    for turn in 0..2 + office.dice.below(2) {
        let later = at + 60.0 + turn as f64 * 25.0;
        office.tls(
            later,
            me,
            &format!("api.v{vendor}.example"),
            (0.5, 1_400, 5_000),
        );
    }
}

/// Rounds over the servers, and one command for all of them.
fn administer(office: &mut Office, me: u8, (from, to): (f64, f64)) {
    for _ in 0..4 {
        let mut at = office.dice.between(from, to);
        for _ in 0..2 + office.dice.below(5) {
            let server = 2 + office.dice.below(15) as u8;
            let (port, service) =
                [(22, "ssh"), (3389, "rdp"), (5985, "http")][office.dice.below(3) as usize];
            let flow = office
                .tcp(at, me, (office.v4(server), port))
                .service(service);
            let flow = flow.moves(office.dice.between(60.0, 1_800.0), 40_000, 900_000);
            if port == 22 {
                office.tape.signed_in(&flow, 'T');
            } else {
                office.tape.flow(&flow);
            }
            at += office.dice.between(5.0, 90.0);
        }
    }
    let at = office.dice.between(from, to);
    for server in SERVERS {
        let flow = office.tcp(at + f64::from(server) * 0.2, me, (office.v4(server), 22));
        office
            .tape
            .signed_in(&flow.service("ssh").moves(6.0, 9_000, 12_000), 'T');
    }
    // A wrong password, sometimes.
    if office.dice.happens(0.3) {
        for turn in 0..3 {
            let flow = office.tcp(at + 900.0 + f64::from(turn) * 8.0, me, (office.v4(12), 22));
            office
                .tape
                .signed_in(&flow.service("ssh").moves(4.0, 2_500, 3_000), 'F');
        }
    }
}
