//! What servers do, mostly at night.

use super::dice::hash;
use super::*;

pub(crate) fn day(office: &mut Office, day: u16) {
    let begin = Office::begin(day);
    directories(office, begin);
    mail(
        office,
        begin,
        if Office::is_working_day(day) {
            700
        } else {
            150
        },
    );
    back_up(office, begin + 1.0 * HOUR);
    monitor(office, begin);
    visitors(office, begin);
    mirror(office, begin + 3.0 * HOUR);
    a_job_that_fails(office, begin);
    for server in SERVERS {
        let mut at = begin + office.dice.between(0.0, HOUR);
        while at < begin + DAY {
            office.tls(
                at,
                server,
                "packages.cdnupdate.example",
                (2.0, 2_000, 300_000),
            );
            at += office.dice.about(6.0 * HOUR, 0.1);
        }
        let mut at = begin;
        while at < begin + DAY {
            let flow = office
                .udp(at, server, (names::outside(21), 123))
                .service("ntp");
            office.tape.flow(&flow.moves(0.03, 48, 48));
            at += 1_024.0;
        }
    }
}

/// Two directories tell each other what is new.
fn directories(office: &mut Office, begin: f64) {
    let mut at = begin;
    while at < begin + DAY {
        for (port, sent) in [(135, 900), (49_667, 20_000), (389, 4_000), (445, 9_000)] {
            let to = (office.v4(SECOND_DIRECTORY), port);
            let flow = office.tcp(at, DIRECTORY, to);
            office.tape.flow(&flow.moves(2.0, sent, sent));
        }
        at += 900.0;
    }
}

/// Mail to very many servers, some of them dead, and what is asked about senders.
fn mail(office: &mut Office, begin: f64, letters: u64) {
    for _ in 0..letters {
        let at = begin + office.dice.between(0.3, 0.8) * DAY + office.dice.wait(HOUR);
        let place = office.dice.popular(20_000);
        let name = format!("mx{}.d{place}.example", place % 3);
        let to = office.resolve(at, MAIL, &name);
        let bytes = office.dice.amount(3e3, 4e6);
        let flow = office.tcp(at, MAIL, (to, 25)).service("smtp");
        let flow = if place.is_multiple_of(11) {
            flow.unanswered()
        } else {
            flow.moves(3.0, bytes, 900)
        };
        office.tape.flow(&flow);
    }
    // A newsletter: all at once.
    if office.dice.happens(0.2) {
        let at = begin + 10.0 * HOUR;
        for turn in 0..400 {
            let name = format!("mx.d{turn}.example");
            let (later, to) = (at + f64::from(turn) * 0.3, names::address(&name, 0));
            let flow = office.tcp(later, MAIL, (to, 25)).service("smtp");
            let dead = turn % 9 == 0;
            let flow = if dead {
                flow.unanswered()
            } else {
                flow.moves(2.0, 30_000, 700)
            };
            office.tape.flow(&flow);
        }
    }
    for _ in 0..letters {
        let at = begin + office.dice.between(0.0, DAY);
        let from = names::outside(office.dice.popular(60_000));
        let flow = tape::Flow::tcp(at, (from, office.port()), (office.v4(MAIL), 25));
        office
            .tape
            .flow(&flow.service("smtp").moves(4.0, 40_000, 900));
        let IpAddr::V4(v4) = from else { continue };
        let [a, b, c, d] = v4.octets();
        for list in ["bl.list.example", "dnsbl.other.example"] {
            office.look_up(at + 0.2, MAIL, &format!("{d}.{c}.{b}.{a}.{list}"), 1);
        }
        let domain = office.dice.popular(9_000);
        office.look_up(at + 0.3, MAIL, &format!("d{domain}.example"), 16);
        let key = format!(
            "s{:06x}._domainkey.d{domain}.example",
            hash(&domain.to_string()) >> 40
        );
        office.look_up(at + 0.4, MAIL, &key, 16);
        office.look_up(at + 0.4, MAIL, &format!("_dmarc.d{domain}.example"), 16);
    }
}

/// Fetches from every server, and while it does sends the night before's to the provider.
fn back_up(office: &mut Office, at: f64) {
    let mut later = at;
    for server in SERVERS.chain(FIRST_PERSON..FIRST_PERSON + 6) {
        let bytes = office.dice.amount(2e8, 6e9);
        let lasts = bytes as f64 / 8e7;
        let flow = office
            .tcp(later, BACKUP, (office.v4(server), 445))
            .service("smb");
        office.tape.flow(&flow.moves(lasts, bytes / 200, bytes));
        later += lasts + 2.0;
    }
    let mut later = at + 300.0;
    for piece in 0..120_u64 {
        let bytes = office.dice.amount(6e7, 2.5e8);
        let name = format!("b{}.store{}.cdnvault.example", piece % 12, piece % 9);
        let lasts = bytes as f64 / 2.5e7;
        office.tls(later, BACKUP, &name, (lasts, bytes, bytes / 300));
        later += lasts * 0.5;
    }
}

/// Asks everything how it is, whether it is on or not.
fn monitor(office: &mut Office, begin: f64) {
    let mut at = begin + 11.0;
    let mut round = 0_u64;
    while at < begin + DAY {
        let hour = (at - begin) / HOUR;
        let by_day = (8.0..18.0).contains(&hour);
        let people = FIRST_PERSON..FIRST_PERSON + office.plan.people;
        let machines = SERVERS.chain(PRINTERS).chain(PHONES).chain(people);
        for (turn, machine) in machines.enumerate() {
            let is_on = !(FIRST_PERSON..220).contains(&machine) || by_day || machine % 3 == 0;
            let is_on = is_on && machine != *PRINTERS.end();
            let when = at + turn as f64 * 0.15;
            let flow = office
                .udp(when, MONITOR, (office.v4(machine), 161))
                .service("snmp");
            let flow = flow.moves(0.02, 90, 140);
            office
                .tape
                .flow(&if is_on { flow } else { flow.unanswered() });
            if machine < FIRST_PERSON && round.is_multiple_of(3) {
                for port in [22, 80, 443, 445, 3389] {
                    let flow = office.tcp(when, MONITOR, (office.v4(machine), port));
                    let there = u64::from(port) % 7 != u64::from(machine) % 7;
                    office.tape.flow(&if there {
                        flow.moves(0.1, 0, 0)
                    } else {
                        flow.refused()
                    });
                }
            }
        }
        at += 300.0;
        round += 1;
    }
}

/// People outside who look at the company's page, and the noise of the world.
fn visitors(office: &mut Office, begin: f64) {
    for _ in 0..900 {
        let at = begin + office.dice.between(0.0, DAY);
        let from = names::outside(office.dice.popular(90_000));
        for turn in 0..=office.dice.below(6) {
            let to = (office.v4(WEB), 443);
            let flow = tape::Flow::tcp(at + turn as f64, (from, office.port()), to);
            office
                .tape
                .flow(&flow.service("ssl").moves(9.0, 2_000, 90_000));
        }
    }
    for _ in 0..1_500 {
        let at = begin + office.dice.between(0.0, DAY);
        let from = names::outside(office.dice.below(120_000));
        let port = [22, 23, 80, 445, 3389, 8080, 6379, 5900][office.dice.below(8) as usize];
        let to = (office.v4(WEB), port);
        let flow = tape::Flow::tcp(at, (from, office.port()), to);
        office.tape.flow(&flow.unanswered());
    }
}

/// A mirror over FTP: a connection, on a port of its own, for each file.
fn mirror(office: &mut Office, at: f64) {
    let to = (office.v4(FILES), 21);
    let flow = office.tcp(at, 13, to).service("ftp");
    office.tape.flow(&flow.moves(60.0, 9_000, 12_000));
    for file in 0..90 {
        let port = 30_000 + office.dice.below(9_000) as u16;
        let flow = office.tcp(
            at + 1.0 + f64::from(file) * 0.5,
            13,
            (office.v4(FILES), port),
        );
        office
            .tape
            .flow(&flow.service("ftp-data").moves(0.3, 0, 200_000));
    }
}

/// Every ten minutes, with a password that was changed last year.
fn a_job_that_fails(office: &mut Office, begin: f64) {
    for turn in 0..144 {
        let at = begin + f64::from(turn) * 600.0 + 7.0;
        let flow = office.tcp(at, 14, (office.v4(15), 22)).service("ssh");
        office.tape.signed_in(&flow.moves(2.0, 2_500, 3_000), 'F');
    }
}
