//! Machines that nobody looks at: printers, telephones, a camera, a storage box, a screen.

use super::*;

pub(crate) fn day(office: &mut Office, day: u16) {
    let begin = Office::begin(day);
    for printer in PRINTERS.take(4) {
        // Two of one make, two of others.
        let make = if printer % 2 == 0 { 0 } else { printer };
        let name = format!("cloudprint.maker{make}.example");
        every(begin, 60.0, 0.001, office, |office, at| {
            office.tls(at, printer, &name, (0.3, 1_050, 3_300));
        });
    }
    for phone in PHONES {
        every(begin, 120.0, 0.01, office, |office, at| {
            let to = office.resolve(at, phone, "sip.telephony.example");
            let flow = office.udp(at, phone, (to, 5_060)).service("sip");
            office.tape.flow(&flow.moves(0.1, 700, 600));
        });
        if Office::is_working_day(day) {
            for _ in 0..office.dice.below(12) {
                let at = begin + office.dice.between(8.0, 17.0) * HOUR;
                let (lasts, port) = (
                    office.dice.wait(200.0),
                    10_000 + office.dice.below(9_000) as u16,
                );
                let to = (names::outside(5_000 + office.dice.below(6)), port);
                let bytes = (lasts * 8_600.0) as u64;
                let flow = office.udp(at, phone, to);
                office.tape.flow(&flow.moves(lasts, bytes, bytes));
            }
        }
    }
    // A camera that knows its maker by address, and keeps a door open there.
    every(begin, 25.0, 0.002, office, |office, at| {
        let flow = office.udp(at, CAMERA, (names::outside(777), 32_100));
        office.tape.flow(&flow.moves(0.2, 40, 40));
    });
    every(begin, 4.0 * HOUR, 0.01, office, |office, at| {
        let to = office.resolve(at, CAMERA, "mqtt.camera.example");
        let flow = office.tcp(at, CAMERA, (to, 8_883)).service("ssl");
        office
            .tape
            .flow(&flow.moves(4.0 * HOUR - 9.0, 30_000, 20_000));
    });
    keep_elsewhere(office, begin + 2.0 * HOUR);
    every(begin, HOUR, 0.0005, office, |office, at| {
        office.tls(at, STORAGE, "news.boxmaker.example", (0.4, 1_200, 5_100));
    });
    every(begin, 30.0, 0.02, office, |office, at| {
        office.http(
            at,
            SCREEN,
            "weather.screens.example",
            ("/now", "application/json", 2_100),
        );
    });
}

/// A storage box keeps its files elsewhere as well, at night.
fn keep_elsewhere(office: &mut Office, from: f64) {
    let mut at = from;
    for _ in 0..office.dice.below(60) {
        let bytes = office.dice.amount(1e7, 2e8);
        let lasts = bytes as f64 / 1.2e7;
        office.tls(
            at,
            STORAGE,
            "vault.boxmaker.example",
            (lasts, bytes, bytes / 200),
        );
        at += lasts + 1.0;
    }
}

/// What happens again and again, all day long.
fn every(
    begin: f64,
    period: f64,
    spread: f64,
    office: &mut Office,
    mut happens: impl FnMut(&mut Office, f64),
) {
    let mut at = begin + office.dice.between(0.0, period);
    while at < begin + DAY {
        happens(office, at);
        at += office.dice.about(period, spread);
    }
}
